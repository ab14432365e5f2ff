// Package source composes sources: it changes, drops, joins and splits the products of a [reindex.Source] on their way
// to the engine.
//
// Each function returns a source whose snapshots have the capabilities of the wrapped ones that still make sense:
// [reindex.Splitter] and [reindex.Locator] throughout; [reindex.Counter] and [reindex.Estimator] unless the function's
// own comment says otherwise. The source is a [reindex.Finder] if the wrapped one is. What the wrapped snapshot cannot
// do is an error that matches [errors.ErrUnsupported], as the contract allows. Functions that are given to this package
// are called concurrently as soon as several tenants or parts are read.
//
// What these functions do happens where products are read. Config.Transform of the engine runs in its workers instead:
// work that takes long for each product belongs there.
package source
