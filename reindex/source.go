package reindex

import (
	"context"
	"fmt"
	"iter"
)

// Source is where a tenant's products come from. It is safe for concurrent use: runs of several tenants read at the
// same time.
//
// [SourceFunc] makes a source of one function. Capabilities of a source are found through [As]: [Finder].
type Source interface {
	// Open begins one read of the tenant's products. ctx bounds the call, not the snapshot. A tenant that the source does
	// not know is an error, of Open or of the sequence, never an empty sequence. The engine closes the snapshot at the end
	// of the run, whatever became of it.
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
	// sequence goes on. Any other error ends the sequence; an end without one means that this was all. ctx ends as soon as
	// the engine needs no more, also if a write or another part has failed. A sequence that stops early because ctx has
	// ended yields ctx.Err(); a sequence that ends under a done context never counts as complete. The consumer may stop at
	// any product; the sequence then releases what it holds.
	//
	// A sequence yields from the goroutine that calls it, one product at a time, and does not change the bytes of a body
	// after it has yielded it.
	Products(ctx context.Context) iter.Seq2[Product, error]

	// Close frees what the snapshot holds. The engine calls it once, after every sequence has ended.
	Close() error
}

// SourceFunc makes a function a [Source]. Each read of a snapshot calls it; there is nothing to close.
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

// Counter is an optional capability of a [Snapshot]: it announces exactly how many different products a read of it
// yields. A record that cannot be read is a product of its own; one that comes twice counts once. The engine shows the
// number as a job's expected count, and refuses to commit a run in which fewer different products came (see
// Config.CountMargin). A snapshot that cannot know which records repeat others is an [Estimator] instead. Without it,
// or if Count returns an error that matches [errors.ErrUnsupported], the engine asks for an [Estimator]; any other
// error ends the run.
type Counter interface {
	Count(ctx context.Context) (int64, error)
}

// Estimator is an optional capability of a [Snapshot] that cannot count exactly, or not cheaply: it returns about how
// many records a read of it yields. The engine shows the number as a job's expected count and checks nothing against
// it. Errors are those of [Counter].
type Estimator interface {
	Estimate(ctx context.Context) (int64, error)
}

// Splitter is an optional capability of a [Snapshot]: it splits the products into parts that can be read at the same
// time. The engine asks for it if Config.Readers is above 1. Without it, or if Split returns an error that matches
// [errors.ErrUnsupported], the engine reads Products instead; any other error ends the run.
type Splitter interface {
	// Split names at most n parts that together hold every product once. A name means the same to every process that opens
	// the source. Split holds nothing open for a part that is not being read.
	Split(ctx context.Context, n int) ([]string, error)

	// Part yields the products of one part, as Products does. A name that Split did not return is an error of the
	// sequence.
	//
	// Of products of one id in two parts neither is the first one. If their bodies differ, the engine discards what it has
	// written and starts over with Products.
	Part(ctx context.Context, name string) iter.Seq2[Product, error]
}

// Locator is an optional capability of a [Snapshot]: it returns where products are, such as "acme.jsonl, line 17", for
// the ids that it finds. The engine asks for the rejected products that a report lists, once at the end of a run.
// Without it, or if Locate fails, the report has ids and reasons alone.
type Locator interface {
	Locate(ctx context.Context, ids ...string) (map[string]string, error)
}

// Finder is an optional capability of a [Source]: it yields those of the products with these ids that the tenant has
// now, each once, in any order. A product that is missing is deleted. Errors are those of Snapshot.Products.
type Finder interface {
	Find(ctx context.Context, tenant string, ids ...string) iter.Seq2[Product, error]
}

// RecordError is one record of a source that cannot be read as a product. A sequence yields it in the place of the
// product.
type RecordError struct {
	// ID is the product's id, if it is known.
	ID string
	// Where is the record's place, such as "acme.csv, line 17", if it is known.
	Where string
	// Err is the reason why the record cannot be read. Callers of an API see its text, or the one of [Public], as the
	// reason of the rejection.
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
