"""Who runs pipelines of Beam."""

import contextlib
import dataclasses
import logging
import re

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners import create_runner

from tf_pseudolabel.lab.data.files import listed
from tf_pseudolabel.lab.errors import InputError, reason_of

# Beam's own default may fetch a program from the network.
EMBEDDED = "FnApiRunner"


@dataclasses.dataclass(frozen=True)
class Runner:
    """One of Beam's runners.

    Args:
        name: Of it.
        flags: Of Beam, strings.

    Raises:
        InputError: If Beam does not know it, or the embedded runner a flag.
    """

    name: str = EMBEDDED
    flags: tuple[str, ...] = ()

    def __post_init__(self):
        try:
            create_runner(self.name)
        except (ImportError, ValueError) as error:
            raise InputError(
                f"--runner must be one of Beam's that is installed; got "
                f"{self.name} ({reason_of(error)}); correct it"
            ) from error
        every = self._options().get_all_options(
            retain_unknown_options=True, display_warnings=False
        )
        known = PipelineOptions([]).get_all_options()
        unknown = sorted(every.keys() - known.keys())
        # Others pass on flags that are their own.
        if unknown and self.name == EMBEDDED:
            raise InputError(
                f"{EMBEDDED} must know the flags after --; got "
                f"{listed([f'--{x}' for x in unknown])}; correct them"
            )

    def _options(self):
        return PipelineOptions(list(self.flags))

    @contextlib.contextmanager
    def pipeline(self):
        """Makes a `beam.Pipeline`, and runs it at the end.

        Raises:
            InputError: If something could not be read or written, or a runner
                of others fails.
        """
        # It logs the traceback of what it raises.
        log = logging.getLogger("apache_beam.runners.common")
        log.setLevel(logging.CRITICAL)
        try:
            with beam.Pipeline(self.name, self._options()) as pipeline:
                yield pipeline
        except InputError as error:
            text = re.sub(r" \[while running .*\]$", "", str(error))
            raise InputError(text) from error
        except Exception as error:
            if self.name == EMBEDDED:
                raise
            raise InputError(
                f"--runner={self.name} must be able to run pipelines; got: "
                f"{reason_of(error)}; see its log, and correct its flags"
            ) from error
