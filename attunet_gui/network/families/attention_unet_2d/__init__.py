"""The family `attention_unet_2d`: the 2-D Attention U-Net of Oktay et al. 2018 (arXiv:1804.03999).

The configuration is light; only the Keras network imports TensorFlow and only the OpenVINO graph imports
OpenVINO.
"""

from attunet_gui.network.families.attention_unet_2d.attention_unet_config import (
    AttentionUNet2DConfig,
    count_parameters,
    list_gates,
)
from attunet_gui.network.families.model_family import ModelFamily

FAMILY = ModelFamily(
    name="attention_unet_2d",
    config_type=AttentionUNet2DConfig,
    count_parameters=count_parameters,
    keras_builder=f"{__name__}.attention_unet_keras:build_network",
    openvino_builder=f"{__name__}.attention_unet_openvino:build_graph",
    logits_builder="attunet_gui.network.families.encoder_decoder_keras:build_logits",
    logit_shifter="attunet_gui.network.families.encoder_decoder_keras:shift_logits",
    tiny_config={"size": [64, 64], "filters": 2, "levels": 3, "gate_filters": 4},
    list_gates=list_gates,
    gate_holder="attunet_gui.network.families.encoder_decoder_keras:hold_gate",
    decoder_lister="attunet_gui.network.families.encoder_decoder_keras:decoder_maps",
)
