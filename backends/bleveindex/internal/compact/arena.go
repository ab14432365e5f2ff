package compact

// arena allocates zero values, and reuses their memory after clear.
type arena[T any] struct {
	blocks [][]T
	full   int // the number of full blocks
	used   int // the number of used values in the next block
}

// blockSize returns the smallest size of the block after n others.
func blockSize(n int) int { return 32 << min(n, 8) }

// take returns n adjacent values.
func (a *arena[T]) take(n int) []T {
	for a.full < len(a.blocks) && len(a.blocks[a.full])-a.used < n {
		a.full, a.used = a.full+1, 0
	}
	if a.full == len(a.blocks) {
		a.blocks = append(a.blocks, make([]T, max(n, blockSize(len(a.blocks)))))
	}
	start := a.used
	a.used += n
	return a.blocks[a.full][start:a.used:a.used]
}

// clone returns a copy of values.
func (a *arena[T]) clone(values []T) []T {
	if len(values) == 0 {
		return nil
	}
	own := a.take(len(values))
	copy(own, values)
	return own
}

// clear frees all values, which must not be used afterwards.
func (a *arena[T]) clear() {
	for _, block := range a.blocks[:min(a.full+1, len(a.blocks))] {
		clear(block)
	}
	a.full, a.used = 0, 0
}
