"""What authors of parts test their parts with; nothing here is imported by a running system."""
