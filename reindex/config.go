package reindex

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Config adjusts an [Engine]. The zero value, and nil in its place, means the defaults. New copies it.
type Config struct {
	// EntityType is what the source yields, as jobs show it: the name of any schema, 1 to 128 characters of printable
	// UTF-8 that neither begin nor end with a space. Case matters. Default [EntityProduct]. A tenant is reindexed by one
	// job of each type at a time. Engines of different types may share Jobs. They never share an index: give each an
	// Indexer with a folder or a prefix of its own.
	EntityType string

	// Readers is the number of parts of a source that are read at the same time, if its snapshots are a [Splitter].
	// Default 1: Products is read.
	Readers int
	// Workers is the number of batches of a run that are checked and written at the same time, at most: an overloaded
	// index gets fewer (see "Adapting to the index" in the package's documentation). [Limits] of the index caps it and is
	// the default; without it GOMAXPROCS, at least 2.
	Workers int
	// BatchDocs is the largest number of products in a batch. [Limits] of the index caps it and is the default; without it
	// 1,000.
	BatchDocs int
	// BatchBytes is the largest sum of the lengths of the ids and bodies in a batch, in bytes; a larger product makes a
	// batch of its own. An index that is slow or takes less gets smaller ones. [Limits] of the index caps it and is the
	// default; without it 4 MiB.
	BatchBytes int

	// Loader, if it is set, loads the products in the place of this process; see [Loader]. Jobs is then a store that other
	// processes share.
	Loader Loader

	// Transform, if it is set, makes the body that is indexed from the product that was read. It runs in the workers,
	// so it is called concurrently, and must not change p.Body in place. An error rejects the product, with the error's
	// text as the reason, which callers of an API see.
	Transform func(ctx context.Context, tenant string, p Product) (json.RawMessage, error)

	// MaxRejected is the largest number of products that may be rejected in a run that still goes live. Default 0;
	// negative: any number.
	MaxRejected int64
	// MaxDuplicates is the largest number of products that may come with the id of one read before and another body, in a
	// run that still goes live; the first one read counts. The same product twice does no harm and is not counted here.
	// Default 0; negative: any number.
	MaxDuplicates int64
	// AllowEmpty lets a run go live that read no product. The rule on shrinking holds nevertheless: see MinFraction.
	AllowEmpty bool
	// MinFraction is the smallest size of a new generation, as a fraction of the live one's number of documents. Default
	// 0.5; negative: no limit.
	MinFraction float64
	// MaxRemoved is the largest fraction of the products that are live which may be missing in a generation that still
	// goes live, and MaxChanged that of those which may have changed. Each run compares the two indexes then, as with
	// Options.Difference, and fails if the index is not a [LiveScanner]. Default 0: no limit. A fraction such as 1e-12
	// lets no product go.
	MaxRemoved, MaxChanged float64
	// CountMargin is by which fraction of the announced number (see [Counter]) the number of different products read may
	// stay below it. Default 0: none may be missing; negative: any number may.
	CountMargin float64

	// Checks are asked, one after the other, as soon as a generation has passed all other rules; the first one that
	// returns an error keeps the old index live.
	Checks []Check

	// Retry is how often and when failed calls are made again.
	Retry Retry
	// CleanupTimeout limits the time in which a run that ended discards its generation. Default 30 s.
	CleanupTimeout time.Duration

	// ChangeBytes is how many bytes of changes, ids and bodies, are kept per tenant while a run goes on, and may be in one
	// call; see Engine.Update. If more come, the live index takes them, and the run fails. Default 64 MiB. A log in
	// Changes has a limit of its own on what it keeps.
	ChangeBytes int
	// Changes keeps what Engine.Update accepts. Default: NewChanges(ChangeBytes), in memory. With a log that outlives the
	// process, an engine also applies what another process has accepted and not applied, and does so until Shutdown. Of
	// engines that share such a log each one has the same index.
	Changes ChangeLog
	// MaxHold limits the time in which updates of a tenant wait for a switch-over, in two parts. A run that has not
	// replayed the last changes within it lets go and catches up again, and fails with [RuleCurrent] after the third time:
	// nothing has changed then. One whose Commit takes longer is cut off: the job then says that the new index may be
	// live, and the accepted changes are carried out again in the index that is. Default 10 min: an index that queues its
	// work may take long.
	MaxHold time.Duration

	// MaxStall limits for how long a change that the index does not take holds the later ones of its tenant up, in a log
	// that outlives the process. An index may fail with a change again and again, as if that passed, or by a defect. After
	// MaxStall the few changes that it does not take, one in 20 at most, are reported as refused if it takes the others.
	// If it takes none, or too few, it is down: changes wait for as long as that lasts. Default 5 min.
	MaxStall time.Duration

	// MaxRuns is how many runs, of different tenants, are in progress at the same time; more are PENDING. Default 2.
	MaxRuns int
	// Jobs keeps the jobs. Default NewJobs(0): the last ones of each tenant, in memory.
	Jobs JobStore
	// ReportItems is the number of rejections and duplicates that a Report lists, each. Default 100.
	ReportItems int

	// Logger receives what happens, with tenant and job as attributes, and never a product's body. Nil discards it.
	Logger *slog.Logger
	// Trace is called as runs go on. Nil calls nothing.
	Trace *Trace
}

const (
	defaultBatchDocs      = 1000
	defaultBatchBytes     = 4 << 20
	defaultMinFraction    = 0.5
	defaultCleanupTimeout = 30 * time.Second
	defaultChangeBytes    = 64 << 20
	defaultMaxHold        = 10 * time.Minute
	defaultMaxStall       = 5 * time.Minute
	defaultMaxRuns        = 2
	defaultReportItems    = 100
)

// withDefaults returns a copy of c in which every field that is not set has its default.
func (c *Config) withDefaults() Config {
	var out Config
	if c != nil {
		out = *c
	}
	setDefault(&out.EntityType, EntityProduct)
	setDefault(&out.Readers, 1)
	setDefault(&out.MinFraction, defaultMinFraction)
	out.Retry = out.Retry.withDefaults()
	setDefault(&out.CleanupTimeout, defaultCleanupTimeout)
	setDefault(&out.ChangeBytes, defaultChangeBytes)
	if out.Changes == nil {
		out.Changes = NewChanges(out.ChangeBytes)
	}
	setDefault(&out.MaxHold, defaultMaxHold)
	setDefault(&out.MaxStall, defaultMaxStall)
	setDefault(&out.MaxRuns, defaultMaxRuns)
	setDefault(&out.ReportItems, defaultReportItems)
	if out.Jobs == nil {
		out.Jobs = NewJobs(0)
	}
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	out.Logger = slog.New(contained{out.Logger.Handler()})
	if out.Trace == nil {
		out.Trace = &Trace{}
	}
	return out
}

func setDefault[T string | int | float64 | time.Duration](field *T, value T) {
	*field = cmp.Or(*field, value)
}

// validate reports every setting of a config with defaults that makes no sense.
func (c *Config) validate() error {
	var errs []error
	atLeastOne := func(name string, v int64) {
		if v < 1 {
			errs = append(errs, fmt.Errorf("%s is %d, it must be positive", name, v))
		}
	}
	notNegative := func(name string, v int) {
		if v < 0 {
			errs = append(errs, fmt.Errorf("%s is %d, it must not be negative", name, v))
		}
	}
	if !isEntityType(c.EntityType) {
		errs = append(errs, fmt.Errorf("EntityType is %q, it must be 1 to %d printable characters, without "+
			"spaces at either end",
			c.EntityType, maxEntityType))
	}
	atLeastOne("Readers", int64(c.Readers))
	notNegative("Workers", c.Workers)
	notNegative("BatchDocs", c.BatchDocs)
	notNegative("BatchBytes", c.BatchBytes)
	atLeastOne("CleanupTimeout", int64(c.CleanupTimeout))
	atLeastOne("ChangeBytes", int64(c.ChangeBytes))
	atLeastOne("MaxHold", int64(c.MaxHold))
	atLeastOne("MaxStall", int64(c.MaxStall))
	atLeastOne("MaxRuns", int64(c.MaxRuns))
	atLeastOne("ReportItems", int64(c.ReportItems))
	errs = append(errs, validateChecks(c.Checks)...)
	errs = append(errs, c.Retry.validate())
	if !(c.MinFraction <= 1) { // NaN included
		errs = append(errs, fmt.Errorf("MinFraction is %v, it must be at most 1", c.MinFraction))
	}
	for name, fraction := range map[string]float64{"MaxRemoved": c.MaxRemoved, "MaxChanged": c.MaxChanged} {
		if !(fraction >= 0 && fraction <= 1) {
			errs = append(errs, fmt.Errorf("%s is %v, it must be from 0 to 1", name, fraction))
		}
	}
	if !(c.CountMargin <= 1) {
		errs = append(errs, fmt.Errorf("CountMargin is %v, it must be at most 1", c.CountMargin))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("reindex: invalid config: %w", err)
	}
	return nil
}

// maxEntityType is the length of the longest entity type, in characters.
const maxEntityType = 128

func isEntityType(s string) bool {
	printable := func(r rune) bool { return r != utf8.RuneError && unicode.IsPrint(r) }
	return s != "" && utf8.RuneCountInString(s) <= maxEntityType && strings.TrimSpace(s) == s &&
		!strings.ContainsFunc(s, func(r rune) bool { return !printable(r) })
}
