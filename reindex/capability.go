package reindex

// As finds the capability T, an interface such as [Counter] or [Limiter], in a [Source], [Snapshot], [Indexer],
// [Generation] or [JobStore]: v itself, or what it wraps. A wrapper that leaves the capabilities of the wrapped value
// intact has a method Unwrap that returns it, as the interface it implements; one that has no such method hides all of
// them.
func As[T any](v any) (T, bool) {
	for v != nil {
		if t, ok := v.(T); ok {
			return t, true
		}
		v = unwrap(v)
	}
	var none T
	return none, false
}

// unwrap returns what v wraps, and nil if it wraps nothing.
func unwrap(v any) any {
	switch w := v.(type) {
	case interface{ Unwrap() Source }:
		return w.Unwrap()
	case interface{ Unwrap() Snapshot }:
		return w.Unwrap()
	case interface{ Unwrap() Indexer }:
		return w.Unwrap()
	case interface{ Unwrap() Generation }:
		return w.Unwrap()
	case interface{ Unwrap() JobStore }:
		return w.Unwrap()
	}
	return nil
}
