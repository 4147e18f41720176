"""Write and read bundles: a trained stack as one zip file of JSON and arrays, without any code."""
