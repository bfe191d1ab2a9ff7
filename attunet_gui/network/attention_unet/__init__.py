"""Family `attention_unet_2d` (Oktay et al. 2018): `config` is light, `model` imports Keras."""
