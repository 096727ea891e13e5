"""Programs that run in a vendor tool's own environment, which has the runtime's packages and not the compiler's."""
