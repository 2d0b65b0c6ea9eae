"""Whether what arrives still looks like what a model was trained on."""
