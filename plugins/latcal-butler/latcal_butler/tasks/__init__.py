"""latcal's kernels as tasks of Rubin's pipelines; the pipeline files beside, in `latcal_butler.pipelines`, put them together.

Importing a task makes latcal's storage classes known: a quantum that runs by itself, as under BPS, asks for those of its
connections before it has read the configuration of its repository.
"""

from lsst.daf.butler import StorageClassFactory

from latcal_butler.configuration import settings

StorageClassFactory().addFromConfig(settings())
