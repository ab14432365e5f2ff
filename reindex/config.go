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

// Config configures an [Engine]. The zero value and nil mean the defaults. New copies it.
type Config struct {
	// EntityType names the kind of entity that the source yields, such as the name of a schema; jobs show it. It consists
	// of 1 to 128 characters of printable UTF-8 and neither begins nor ends with a space. Case matters. Default
	// [EntityProduct]. At most one job of each type runs per tenant at a time. Engines of different types may share Jobs,
	// but not an index: give each an Indexer with a folder or a prefix of its own.
	EntityType string

	// Readers is the number of parts of a source that are read at the same time, if each snapshot is a [Splitter]. Default
	// 1: the engine reads Products.
	Readers int
	// Workers is the largest number of batches of a run that are checked and written at the same time. An overloaded index
	// gets fewer (see "Adapting to the index" in the package documentation). The [Limits] of the index cap it and are the
	// default; without them the default is GOMAXPROCS, at least 2.
	Workers int
	// BatchDocs is the largest number of products in a batch. The [Limits] of the index cap it and are the default;
	// without them the default is 1,000.
	BatchDocs int
	// BatchBytes is the largest sum of the lengths of the ids and bodies in a batch, in bytes; a larger product is a batch
	// of its own. An index that is slow, or refuses batches of that size, gets smaller ones. The [Limits] of the index cap
	// it and are the default; without them the default is 4 MiB.
	BatchBytes int

	// Loader, if it is set, loads the products instead of this process; see [Loader]. Jobs must then be a store that the
	// other processes share.
	Loader Loader

	// Transform, if it is set, returns the body to index for a product that was read. It is called concurrently and must
	// not modify p.Body. An error rejects the product; its text is the reason, which callers of an API see.
	Transform func(ctx context.Context, tenant string, p Product) (json.RawMessage, error)

	// MaxRejected is the largest number of rejected products with which a run still goes live. Default 0; negative: any
	// number.
	MaxRejected int64
	// MaxDuplicates is the largest number of conflicting products with which a run still goes live: those that have the id
	// of an earlier product, but another body. The first product read is indexed. A product that is repeated with the same
	// body is harmless and is not counted. Default 0; negative: any number.
	MaxDuplicates int64
	// AllowEmpty lets a run that read no products go live. MinFraction still applies.
	AllowEmpty bool
	// MinFraction is the smallest number of documents with which a generation goes live, as a fraction of the number in
	// the live one. Default 0.5; negative: no limit.
	MinFraction float64
	// MaxRemoved and MaxChanged are the largest fractions of the live products that a generation may remove and change. If
	// one of them is set, each run compares the new index with the live one, as with Options.Difference, and fails if the
	// index is not a [LiveScanner]. Default 0: no limit. A tiny fraction such as 1e-12 allows not even one product.
	MaxRemoved, MaxChanged float64
	// CountMargin is the fraction of the announced products (see [Counter]) that may be missing among the different
	// products read. Default 0: none; negative: any number.
	CountMargin float64

	// Checks are called one after the other when a generation has passed all other rules. The first one that returns an
	// error keeps the old index live.
	Checks []Check

	// Retry says how often failed calls are repeated, and how long the engine waits in between.
	Retry Retry
	// CleanupTimeout limits the time that a run has at its end to discard its generation. Default 30 s.
	CleanupTimeout time.Duration

	// ChangeBytes is the largest number of bytes of changes (ids and bodies) that are kept per tenant during a run, and
	// that one call of Engine.Update may have. If more changes come during a run, the live index gets them and the run
	// fails. Default 64 MiB. A log in Changes has its own limit on the bytes that it keeps.
	ChangeBytes int
	// Changes keeps the changes that Engine.Update accepts. Default: NewChanges(ChangeBytes), in memory. With a log that
	// outlives the process, the engine also applies changes that other processes have accepted, until Shutdown. Engines
	// that share such a log must have the same index.
	Changes ChangeLog
	// ChangeDelay limits the time for which a change may wait for others, so that the live index takes them together. Only
	// the changes of a steady flow wait: those that come while others are being applied. An index that gets a hundred
	// changes a second one by one does several times as much work as one that gets them together. That work would slow a
	// run of the tenant down, so during a run the limit is twice as long, or ten times as long as the last call of the
	// index took if that is more, up to 5 s. Default 250 ms; negative: no change waits.
	ChangeDelay time.Duration
	// MaxHold limits the time for which updates of a tenant wait for a switch-over. In this time the run replays the last
	// changes and calls Commit. A run that does not complete the replay in time lets updates go on and catches up again;
	// after the third time it fails with [RuleCurrent], and nothing has changed. A Commit that does not end in time is cut
	// off: the job says that the new index may be live, and the accepted changes are applied again to the index that is
	// live. Default 10 min, since an index that queues its work may take long.
	MaxHold time.Duration

	// MaxStall limits the time for which a change that always fails can block the later changes of its tenant, in a log
	// that outlives the process. After MaxStall the failing changes are reported as refused, if they are at most one in 20
	// and the index accepts the others. If more of them fail, the index counts as down, and changes wait until it is up
	// again. Default 5 min.
	MaxStall time.Duration

	// MaxRuns is the largest number of runs, each of another tenant, that are in progress at the same time. The other runs
	// wait ([StatusPending]). Default 2.
	MaxRuns int
	// Jobs keeps the jobs. Default NewJobs(0), which keeps the last jobs of each tenant in memory.
	Jobs JobStore
	// ReportItems is the largest number of rejections, and also of duplicates, that a Report lists. Default 100.
	ReportItems int

	// Logger receives the log records, with tenant and job as attributes. They never hold the body of a product. Nil
	// discards them.
	Logger *slog.Logger
	// Trace holds functions that are called during runs. Nil means none.
	Trace *Trace
}

const (
	defaultBatchDocs      = 1000
	defaultBatchBytes     = 4 << 20
	defaultMinFraction    = 0.5
	defaultCleanupTimeout = 30 * time.Second
	defaultChangeBytes    = 64 << 20
	defaultChangeDelay    = 250 * time.Millisecond
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
	setDefault(&out.ChangeDelay, defaultChangeDelay)
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

// validate returns an error that names each invalid setting of a config whose defaults are set.
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
		errs = append(errs, fmt.Errorf("EntityType is %q, it must be 1 to %d printable characters, "+
			"without spaces at either end", c.EntityType, maxEntityType))
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
