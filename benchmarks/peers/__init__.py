"""The same outer steps by other libraries, to set ours beside."""
