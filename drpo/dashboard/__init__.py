"""What the screen needs: tables, figures, forms and words. No torch in this process."""
