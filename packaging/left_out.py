"""What the libraries bring and the product never uses, each with the reason."""

from __future__ import annotations

import os
from fnmatch import fnmatch

WHOLE = bool(os.environ.get("WHOLE"))
"""Leave nothing out, to measure what leaving out is worth."""

LEARNING = ["tensorflow", "keras", "h5py", "grpc", "flatbuffers", "optree", "namex", "gast", "astunparse"]
"""Needed to train and to carry corrections on; drafting runs on OpenVINO."""

MODULES = [
    # napari's console, its notebook and what they bring
    "IPython", "jedi", "parso", "debugpy", "ipykernel", "jupyter_client", "jupyter_core", "napari_console",
    "qtconsole", "tornado", "zmq", "nbformat",
    # napari's own extras: screencasts, tests, typing of plugins
    "napari.benchmarks", "napari_svg", "pytest", "_pytest", "hypothesis", "mypy", "mypyc", "numba",
    "sphinx", "docutils", "babel",
    # reach for a network: downloads of sample data, reports of use
    "urllib3", "pooch", "openvino_telemetry", "openvino.tools", "PySide6.QtNetwork",
    # other back ends of what we use
    "openvino.torch", "openvino.frontend.pytorch", "openvino.frontend.jax", "openvino.frontend.tensorflow",
    "torch", "jax", "PyQt5", "PyQt6", "PySide2", "tkinter", "_tkinter", "wx", "gi",
    "keras.src.backend.torch", "keras.src.backend.jax", "keras.src.backend.openvino", "tensorboard",
    # bound to other machines, other terms, or read only where they are there
    "grpc", "h5py", "readline", "lxml", "google.cloud",
    # build tools
    "pip", "setuptools", "pkg_resources", "wheel", "clang", "PyInstaller", "hatchling", "uv",
    # Qt that is not a window of widgets
    "PySide6.QtQml", "PySide6.QtQuick", "PySide6.QtQuickWidgets", "PySide6.QtDesigner", "PySide6.QtSql",
    "PySide6.QtHelp", "PySide6.QtUiTools", "PySide6.QtPrintSupport",
]  # fmt: skip

FILES = [
    # OpenVINO on other devices, and its readers of files; a bundle is built in memory for the CPU
    "*libopenvino_intel_gpu_plugin.so", "*libopenvino_intel_npu_plugin.so", "*openvino/libs/cache.json",
    "*libopenvino_*_frontend.so*", "*libopenvino_auto*_plugin.so", "*libopenvino_hetero_plugin.so",
    "openvino/include/*", "openvino/cmake/*", "openvino/frontend/*.so", "*libopenvino_c.so*",
    # Qt's other languages and what draws no widget
    "PySide6/Qt/translations/*", "PySide6/Qt/qml/*", "*libQt6Qml*", "*libQt6Quick*",
    "*libQt6VirtualKeyboard*", "*libQt6Network*", "*libQt6Pdf*", "PySide6/Qt/plugins/tls/*",
    "PySide6/Qt/plugins/networkinformation/*",
    "PySide6/Qt/plugins/platforminputcontexts/libqtvirtualkeyboardplugin.so",
    "PySide6/Qt/plugins/imageformats/libqpdf.so", "PySide6/Qt/plugins/platforms/libqeglfs.so",
    "PySide6/Qt/plugins/platforms/libqvnc.so", "PySide6/Qt/plugins/platforms/libqlinuxfb.so",
    "PySide6/Qt/plugins/platforms/libqvkkhrdisplay.so", "PySide6/Qt/plugins/platforms/libqminimal*.so",
    "PySide6/Qt/plugins/egldeviceintegrations/*", "PySide6/Qt/plugins/generic/*",
    # of every desktop: what draws on the host's graphics driver must be what that driver was built with
    "libstdc++.so*", "libgcc_s.so*", "libX11.so*", "libX11-xcb.so*", "libXau.so*", "libXdmcp.so*",
    "libXext.so*", "libXrender.so*", "libxcb.so*", "libxcb-glx.so*", "libxcb-shm.so*", "libGL*",
    "libEGL*", "libdrm*",
    "libwayland-*", "libfontconfig.so*", "libfreetype.so*", "libexpat.so*", "libuuid.so*", "libdbus-1.so*",
    "libglib-2.0.so*", "libgthread-2.0.so*", "libz.so*",
    # of GTK, which lends Qt its file dialogue; the desktop's portal does as well
    "PySide6/Qt/plugins/platformthemes/libqgtk3.so", "libgtk-3*", "libgdk*", "libgio-2.0*", "libgobject-2.0*",
    "libgmodule-2.0*", "libatk*", "libpango*", "libcairo*", "libpixman*", "libharfbuzz*", "libgraphite2*",
    "libfribidi*", "libthai*", "libdatrie*", "libepoxy*", "libmount*", "libblkid*", "libselinux*",
    "libpcre2*",
    # what those and Qt's network need, but nothing that is left
    "libsystemd*", "libgcrypt*", "libgpg-error*", "liblz4*", "libcap.so*", "libkrb5*", "libk5crypto*",
    "libgssapi*", "libkeyutils*", "libcom_err*", "libbrotli*", "libpng16*", "libjpeg.so*", "libbsd*",
    "libmd.so*",
    # tests, headers and examples of everybody
    "*/tests/*", "*/test/*", "*/_tests/*", "*/testing/data/*", "PySide6/*.pyi", "openvino/*.pyi",
    "*.h", "*.hpp", "*.pxd",
    "pydicom/data/test_files/*", "highdicom/_test_files/*", "nibabel/tests/*", "tensorflow/include/*",
    "matplotlib/mpl-data/sample_data/*", "skimage/data/*",
]  # fmt: skip

STRIPPED = [
    "tensorflow/*", "libpython*", "cc3d/*", "_CharLS*", "kiwisolver/*", "fontTools/*", "PIL/*", "yaml/*",
    "sqlalchemy/*",
]  # fmt: skip
"""Libraries that come with tables for a debugger; what numpy and scipy bring does not bear to be stripped."""


def modules() -> list[str]:
    """Names of modules that are not collected; without learning, what it runs on too."""
    if WHOLE:
        return []
    return MODULES + (LEARNING if os.environ.get("WITHOUT_LEARNING") else [])


def stays(inside: str) -> bool:
    """Whether the file at this place of the package stays in it."""
    return WHOLE or not any(fnmatch(inside, pattern) for pattern in FILES)


def bears_stripping(inside: str) -> bool:
    """Whether the tables for a debugger are taken out of this library."""
    return not WHOLE and ".so" in inside and any(fnmatch(inside, pattern) for pattern in STRIPPED)
