// Package source composes sources: it changes, drops, joins and splits the products of a [reindex.Source] on their way
// to the engine.
//
//	visible, err := source.Exclude(source.Concat(files, database), "purchasePrice", "internal.**")
//	engine, err := reindex.New(visible, index, nil)
//
// Each function returns a source whose snapshots have the capabilities of the wrapped ones that still make sense:
// [reindex.Splitter] and [reindex.Locator] throughout; [reindex.Counter] and [reindex.Estimator] unless the function's
// own comment says otherwise. The source is a [reindex.Finder] if the wrapped one is. A capability that the wrapped
// snapshot lacks fails with an error that matches [errors.ErrUnsupported], as the contract allows. Functions that are
// given to this package are called concurrently as soon as several tenants or parts are read.
//
// These functions run in the readers. Work that takes long for each product belongs in Config.Transform of the engine,
// which runs in its workers.
package source
