"""The panels and notebooks in a real JupyterLab and Chromium."""
