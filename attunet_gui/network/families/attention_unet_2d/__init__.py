"""The family `attention_unet_2d`: the 2-D Attention U-Net of Oktay et al. 2018 (arXiv:1804.03999).

The configuration is light; only the Keras network imports TensorFlow and only the OpenVINO graph imports
OpenVINO.
"""
