package reindex

import (
	"context"
	"fmt"
	"iter"
)

// Source provides the products of each tenant. It is safe for concurrent use: runs of several tenants read at the same
// time.
//
// [SourceFunc] turns a function into a source. A source can have the capability [Finder], which is found through [As].
type Source interface {
	// Open begins one read of the tenant's products. ctx bounds the call, not the snapshot. For a tenant that the source
	// does not know, Open or the sequence returns an error, never an empty sequence. The engine closes the snapshot at the
	// end of the run, even if the run failed.
	Open(ctx context.Context, tenant string) (Snapshot, error)
}

// Snapshot is one read of one tenant's products. Its count, its products, its parts and their places come from one
// state of the data. Capabilities of a snapshot are found through [As]: [Counter], [Estimator], [Splitter],
// [Locator].
//
// The engine calls its methods from several goroutines at the same time.
type Snapshot interface {
	// Products yields every product once. Each call reads from the start.
	//
	// A [*RecordError] stands for one record that cannot be read: the engine counts it as read and rejected, and the
	// sequence goes on. Any other error ends the sequence. A sequence that ends without an error is complete. ctx ends as
	// soon as the engine needs no more products, for example because a write or another part has failed. A sequence that
	// stops early because ctx has ended yields ctx.Err(). A sequence that ends after ctx has ended never counts as
	// complete. The consumer may stop at any product; the sequence must then release its resources.
	//
	// A sequence yields one product at a time, from the goroutine that calls it. It does not modify the bytes of a body
	// that it has yielded.
	Products(ctx context.Context) iter.Seq2[Product, error]

	// Close releases the resources of the snapshot. The engine calls it once, after every sequence has ended.
	Close() error
}

// SourceFunc is a [Source] in one function, which is called for each read of a snapshot.
type SourceFunc func(ctx context.Context, tenant string) iter.Seq2[Product, error]

// Open returns a snapshot whose reads call f.
func (f SourceFunc) Open(_ context.Context, tenant string) (Snapshot, error) {
	return funcSnapshot{f, tenant}, nil
}

type funcSnapshot struct {
	read   SourceFunc
	tenant string
}

func (s funcSnapshot) Products(ctx context.Context) iter.Seq2[Product, error] {
	return s.read(ctx, s.tenant)
}

func (s funcSnapshot) Close() error { return nil }

// Counter is an optional capability of a [Snapshot]: it announces the exact number of different products that a read
// yields. A record that cannot be read counts as one product, and a product that is repeated counts once. The engine
// shows the number as a job's expected count, and refuses to commit a run in which fewer different products came (see
// Config.CountMargin). A snapshot that does not know which records repeat others is an [Estimator] instead. Without a
// Counter, or if Count returns an error that matches [errors.ErrUnsupported], the engine asks for an [Estimator]; any
// other error ends the run.
type Counter interface {
	Count(ctx context.Context) (int64, error)
}

// Estimator is an optional capability of a [Snapshot] that cannot count exactly, or not cheaply: it estimates the
// number of records that a read yields. The engine shows the number as a job's expected count, but checks nothing
// against it. Errors are those of [Counter].
type Estimator interface {
	Estimate(ctx context.Context) (int64, error)
}

// Splitter is an optional capability of a [Snapshot]: it splits the products into parts that can be read at the same
// time. The engine uses it if Config.Readers is above 1. Without it, or if Split returns an error that matches
// [errors.ErrUnsupported], the engine reads Products instead; any other error ends the run.
type Splitter interface {
	// Split returns the names of at most n parts that together hold every product once. A name means the same part in
	// every process that opens the source. Split holds no resources open for a part that is not being read.
	Split(ctx context.Context, n int) ([]string, error)

	// Part yields the products of one part, as Products does. A name that Split did not return is an error of the
	// sequence.
	//
	// The parts have no order: if products in two parts have the same id and different bodies, the engine discards the
	// generation and starts over with Products.
	Part(ctx context.Context, name string) iter.Seq2[Product, error]
}

// Locator is an optional capability of a [Snapshot]: it returns the places of products, such as "acme.jsonl, line 17",
// for the ids that it finds. At the end of a run the engine calls it once for the rejected products that the report
// lists. Without it, or if Locate fails, the report has only ids and reasons.
type Locator interface {
	Locate(ctx context.Context, ids ...string) (map[string]string, error)
}

// Finder is an optional capability of a [Source]: it yields the current products with these ids, each once, in any
// order. A product that it does not yield counts as deleted. Errors are those of Snapshot.Products.
type Finder interface {
	Find(ctx context.Context, tenant string, ids ...string) iter.Seq2[Product, error]
}

// RecordError is one record of a source that cannot be read as a product. A sequence yields it instead of the product.
type RecordError struct {
	// ID is the product's id, if it is known.
	ID string
	// Where is the record's place, such as "acme.csv, line 17", if it is known.
	Where string
	// Err says why the record cannot be read. Callers of an API see its text, or that of [Public], as the reason of the
	// rejection.
	Err error
}

// Error names place, product and reason, as far as they are known.
func (e *RecordError) Error() string {
	text := fmt.Sprintf("the record cannot be read: %v", e.Err)
	if e.ID != "" {
		text = fmt.Sprintf("product %q: %s", e.ID, text)
	}
	if e.Where != "" {
		text = e.Where + ": " + text
	}
	return text
}

// Unwrap returns the reason.
func (e *RecordError) Unwrap() error { return e.Err }
