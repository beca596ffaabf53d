"""What every table, release and raw dump must hold, and the gate that checks it."""
