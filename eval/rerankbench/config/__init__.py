"""YAML to frozen, strict models: an unknown key, name or type is refused with file, key and the nearest valid names."""

from rerankbench.config.experiments import Experiment, find_config, load_systems, shipped_configs
from rerankbench.config.fingerprint import fingerprint
from rerankbench.config.loading import load_config, load_experiment
from rerankbench.config.mteb import MtebSystem, MtebTable
from rerankbench.config.options import Options, validate
from rerankbench.config.schema import Timing, Weights
from rerankbench.config.systems import Part, System, build_part
from rerankbench.config.yaml_file import YamlFile, read_yaml

__all__ = [
    "Experiment",
    "MtebSystem",
    "MtebTable",
    "Options",
    "Part",
    "System",
    "Timing",
    "Weights",
    "YamlFile",
    "build_part",
    "find_config",
    "fingerprint",
    "load_config",
    "load_experiment",
    "load_systems",
    "read_yaml",
    "shipped_configs",
    "validate",
]
