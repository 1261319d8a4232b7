"""latcal's kernels as tasks of Rubin's pipelines; the pipeline files beside, in `latcal_butler.pipelines`, put them together."""
