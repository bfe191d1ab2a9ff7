"""File formats of CT and labels: NIfTI, NRRD, MetaImage and DICOM."""
