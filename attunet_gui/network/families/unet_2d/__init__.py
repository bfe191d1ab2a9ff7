"""The family `unet_2d`: the plain 2-D U-Net (Ronneberger et al. 2015, arXiv:1505.04597) without gates.

It has the encoder, the decoder and the head of `attention_unet_2d`, so the two compare at the same width.
"""

from attunet_gui.network.families.encoder_decoder_config import EncoderDecoderConfig, count_unet_parameters
from attunet_gui.network.families.model_family import ModelFamily

FAMILY = ModelFamily(
    name="unet_2d",
    config_type=EncoderDecoderConfig,
    count_parameters=count_unet_parameters,
    keras_builder=f"{__name__}.unet_keras:build_network",
    openvino_builder=f"{__name__}.unet_openvino:build_graph",
    logits_builder="attunet_gui.network.families.encoder_decoder_keras:build_logits",
    logit_shifter="attunet_gui.network.families.encoder_decoder_keras:shift_logits",
    tiny_config={"size": [64, 64], "filters": 2, "levels": 3},
    decoder_lister="attunet_gui.network.families.encoder_decoder_keras:decoder_maps",
)
