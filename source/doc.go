// Package source composes sources: it changes, drops, joins and splits the products of a [reindex.Source] on their way to the engine.
//
// Each function returns a source that has the capabilities which still make sense. [reindex.Partitioner] is kept throughout; where the
// wrapped source has none, Partitions returns an error that matches [errors.ErrUnsupported], as the contract allows. So does
// Count, [reindex.Counter], unless the function's own comment says otherwise. Functions that are given to this package
// are called concurrently as soon as several tenants or partitions are read.
//
// What these functions do happens where products are read. Config.Transform of the engine runs in its workers instead: work that takes
// long for each product, or that may reject one product without ending the run, belongs there.
package source
