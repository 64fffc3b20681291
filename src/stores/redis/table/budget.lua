-- The most requests that one batch ends, skips or grants beyond those that its own steps touch.
return 256
