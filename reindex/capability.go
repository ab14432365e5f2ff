package reindex

// As finds the capability T, an interface such as [Counter] or [Limiter], in a [Source], [Snapshot], [Indexer],
// [Generation] or [JobStore]: in v itself, or in a value that it wraps. A wrapper that keeps the capabilities of the
// value it wraps has a method Unwrap, which returns that value as the interface that the wrapper implements. A wrapper
// without Unwrap hides all capabilities.
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

// unwrap returns the value that v wraps, or nil.
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
