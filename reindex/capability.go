package reindex

// As finds the capability T, an interface such as [Counter] or [Limiter], in a [Source] or an [Indexer]: v itself, or what it wraps.
// A wrapper that leaves a capability of the wrapped value intact has a method Unwrap() Source or Unwrap() Indexer; one that has no
// such method hides all of them.
func As[T any](v any) (T, bool) {
	for v != nil {
		if t, ok := v.(T); ok {
			return t, true
		}
		switch w := v.(type) {
		case interface{ Unwrap() Source }:
			v = w.Unwrap()
		case interface{ Unwrap() Indexer }:
			v = w.Unwrap()
		default:
			v = nil
		}
	}
	var none T
	return none, false
}
