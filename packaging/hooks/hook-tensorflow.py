"""TensorFlow as learning uses it: what it imports, and nothing of what it could.

Takes the place of the hook that comes with PyInstaller, which collects every module, every data file and
every back end of Keras, and needs most of a build's time for that.
"""

hiddenimports = ["ml_dtypes", "tensorflow.python.keras.engine.base_layer_v1"]

# AutoGraph reads the source of what it traces.
module_collection_mode = {"tensorflow.python.autograph": "py+pyz"}

# TensorFlow looks for itself where its libraries are; links to them lead it astray.
bindepend_symlink_suppression = [
    "**/libtensorflow_cc.so*",
    "**/libtensorflow_framework.so*",
    "**/_pywrap_tensorflow_internal.so",
]
