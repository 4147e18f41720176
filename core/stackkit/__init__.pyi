"""What `import stackkit` offers, for type checkers: at run time it is imported when it is used."""

from stackkit.library.auditing import DatasetAudit as DatasetAudit
from stackkit.library.auditing import audit_dataset as audit_dataset
from stackkit.library.experiments import run as run
from stackkit.library.experiments import train as train
from stackkit.library.feature_extractor import FeatureExtractor as FeatureExtractor
from stackkit.library.feature_table import FeatureTable as FeatureTable
from stackkit.library.feature_table import features as features
from stackkit.library.loaded_model import LoadedModel as LoadedModel
from stackkit.library.loaded_model import load as load
from stackkit.library.predictions import Predictions as Predictions
from stackkit.library.run_report import RunReport as RunReport
from stackkit.library.run_report import TrainedModel as TrainedModel
from stackkit.library.stacked_classifier import StackedClassifier as StackedClassifier

__version__: str
