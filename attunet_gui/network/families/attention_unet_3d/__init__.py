"""The family `attention_unet_3d`: the Attention U-Net of Oktay et al. 2018 (arXiv:1804.03999) in 3-D.

It takes patches of a volume. The configuration is light; only the Keras network imports TensorFlow and only
the OpenVINO graph imports OpenVINO.
"""

from attunet_gui.network.families.attention_unet_3d.attention_unet_3d_config import (
    AttentionUNet3DConfig,
    count_parameters,
    list_gates,
)
from attunet_gui.network.families.model_family import ModelFamily

FAMILY = ModelFamily(
    name="attention_unet_3d",
    config_type=AttentionUNet3DConfig,
    count_parameters=count_parameters,
    keras_builder=f"{__name__}.attention_unet_3d_keras:build_network",
    openvino_builder=f"{__name__}.attention_unet_3d_openvino:build_graph",
    logits_builder="attunet_gui.network.families.encoder_decoder_keras:build_logits",
    logit_shifter=f"{__name__}.attention_unet_3d_keras:shift_logits",
    tiny_config={"size": [64, 64], "patch_size": [8, 32, 32], "filters": 2, "levels": 3},
    list_gates=list_gates,
    gate_holder="attunet_gui.network.families.encoder_decoder_keras:hold_gate",
)
