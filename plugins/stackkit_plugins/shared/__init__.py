"""Code that several built-in plugins use. Nothing in here is a plugin or imports one.

- `image_lists`: names of splits, Unicode forms and notes of datasets of the user's own images
- `keras_network`: run a frozen Keras network as a backbone, on TensorFlow or a faster engine
- `linear_learners`: options, normalisation, inner splits and calibration of linear classifiers
- `linear_solvers`: a faster solver for multinomial logistic regression
- `network`: run a frozen network of any format on its own runtime or a faster engine
- `storage`: files of datasets on disk and in object storage
- `probabilities`: arithmetic on the base learners' class probabilities
"""
