"""What `import drpo` offers a script or a notebook; `drpo/__init__.py` names it, lazily."""
