// Package source composes sources. Its functions return a [reindex.Source] that changes, filters, joins or localizes
// the products of other sources on their way to the engine.
//
//	visible, err := source.Exclude(source.Concat(files, database), "purchasePrice", "internal.**")
//	engine, err := reindex.New(visible, index, nil)
//
// Each function returns a source whose snapshots have the capabilities [reindex.Splitter] and [reindex.Locator], and
// also [reindex.Counter] and [reindex.Estimator] unless the comment of the function says otherwise. The source is a
// [reindex.Finder] if the wrapped source is. A capability that the wrapped snapshot lacks returns an error that matches
// [errors.ErrUnsupported], as the contract allows. The functions that the caller passes must be safe for concurrent
// use, because several tenants or parts can be read at the same time.
//
// All of this runs in the readers of a run. Slow work belongs in Config.Transform of the engine, which runs in the
// workers of a run.
package source
