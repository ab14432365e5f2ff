package compact

// arena hands out zero values that are in use until it is cleared, and then the same ones again.
type arena[T any] struct {
	blocks [][]T
	full   int // blocks that have no room
	used   int // of the block after those
}

// blockSize returns how many values the block after n others has at least.
func blockSize(n int) int { return 32 << min(n, 8) }

// take returns n values next to each other.
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

// clear ends the use of all values.
func (a *arena[T]) clear() {
	for _, block := range a.blocks[:min(a.full+1, len(a.blocks))] {
		clear(block)
	}
	a.full, a.used = 0, 0
}
