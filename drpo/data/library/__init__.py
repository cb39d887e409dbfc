"""What people keep: uploads, cleaned versions, splits, exports."""
