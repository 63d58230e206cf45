"""Fresh kernels, forked from a process that has already imported what notebooks need."""
