"""What dumps hold and a config says, before anything is built: by names, headers and a few beginnings."""
