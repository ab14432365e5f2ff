package reindex

import "fmt"

// Rule is one of the rules by which the engine decides whether a generation may go live.
type Rule string

// The rules of the gate.
const (
	// RuleAccounting: read = indexed + rejected + duplicates, and the generation holds exactly the indexed products.
	RuleAccounting Rule = "accounting"
	// RuleRejected: not more products were rejected than Config.MaxRejected.
	RuleRejected Rule = "rejected"
	// RuleDuplicates: not more products came with the id of another one and another body than Config.MaxDuplicates.
	RuleDuplicates Rule = "duplicates"
	// RuleCurrent: the generation holds every change that was accepted while it was filled; see [Editor] and
	// Config.ChangeBytes.
	RuleCurrent Rule = "current"
	// RuleEmpty: something was indexed, or Config.AllowEmpty is set and the source is empty.
	RuleEmpty Rule = "empty"
	// RuleCount: the source yielded as many different products as it announced, but for Config.CountMargin.
	RuleCount Rule = "count"
	// RuleShrunk: the generation holds at least Config.MinFraction of the live products.
	RuleShrunk Rule = "shrunk"
	// RuleRemoved: not more of the products that are live are gone from the generation than Config.MaxRemoved.
	RuleRemoved Rule = "removed"
	// RuleChanged: not more of the products that are live have changed than Config.MaxChanged.
	RuleChanged Rule = "changed"
)

// GateError is the reason why a generation that was built did not go live.
type GateError struct {
	// Rule that the generation broke.
	Rule Rule
	// Have is the number that the rule looked at, Want the one it has to reach (for RuleRejected, RuleDuplicates,
	// RuleRemoved and RuleChanged: must not exceed).
	Have, Want int64
	// Detail has the numbers that were compared, and the remedy.
	Detail string
}

// Error names the rule and the numbers.
func (e *GateError) Error() string {
	return fmt.Sprintf("not published, rule %q: %s", string(e.Rule), e.Detail)
}

// gate checks a sealed generation against every rule.
func (c *Config) gate(r *Report, sealed Sealed) error {
	if err := checkAccounting(r, sealed); err != nil {
		return err
	}
	for _, check := range []func(*Report, Sealed) error{
		c.checkRejections, c.checkDuplicates, c.checkCount, c.checkEmpty, c.checkShrunk,
	} {
		if err := check(r, sealed); err != nil {
			return err
		}
	}
	return nil
}

func checkAccounting(r *Report, sealed Sealed) error {
	if sum := r.Indexed + r.Rejected + r.Duplicates; sum != r.Read {
		return &GateError{RuleAccounting, sum, r.Read, fmt.Sprintf(
			"%d products were read, but %d were indexed, %d rejected and %d duplicates", r.Read, r.Indexed, r.Rejected,
			r.Duplicates)}
	}
	if want := r.Indexed + r.Added - r.Removed; sealed.Documents != want {
		text := fmt.Sprintf("the index accepted %d products, but holds %d", r.Indexed, sealed.Documents)
		if r.Added != 0 || r.Removed != 0 {
			text += fmt.Sprintf("; changes added %d and removed %d", r.Added, r.Removed)
		}
		return &GateError{RuleAccounting, sealed.Documents, want, text}
	}
	return nil
}

func (c *Config) checkRejected(rejected int64) error {
	if c.MaxRejected < 0 || rejected <= c.MaxRejected {
		return nil
	}
	return &GateError{RuleRejected, rejected, c.MaxRejected, fmt.Sprintf(
		"%d products were rejected, at most %d may be (MaxRejected); the report names them", rejected, c.MaxRejected)}
}

func (c *Config) checkRejections(r *Report, _ Sealed) error { return c.checkRejected(r.Rejected) }

func (c *Config) checkDuplicates(r *Report, _ Sealed) error {
	if c.MaxDuplicates < 0 || r.Conflicts <= c.MaxDuplicates {
		return nil
	}
	return &GateError{RuleDuplicates, r.Conflicts, c.MaxDuplicates, fmt.Sprintf(
		"%d products have the id of another one and another body, at most %d may (MaxDuplicates); the report names some",
		r.Conflicts, c.MaxDuplicates)}
}

func (c *Config) checkCount(r *Report, _ Sealed) error {
	if c.CountMargin < 0 || r.Expected < 0 {
		return nil
	}
	// A product that came twice with the same body may be one that was read twice in the place of another one.
	least, different := atLeast(r.Expected, 1-c.CountMargin), r.Read-(r.Duplicates-r.Conflicts)
	if different >= least {
		return nil
	}
	return &GateError{RuleCount, different, least, fmt.Sprintf(
		"the source announced %d products and yielded %d different ones, at least %d were needed (CountMargin)", r.Expected,
		different, least)}
}

func (c *Config) checkEmpty(r *Report, sealed Sealed) error {
	if sealed.Documents > 0 || c.AllowEmpty && r.Read == 0 {
		return nil
	}
	return &GateError{RuleEmpty, 0, 1, fmt.Sprintf(
		"%d products were read and none was indexed; AllowEmpty lets the index of an empty source go live", r.Read)}
}

func (c *Config) checkShrunk(_ *Report, sealed Sealed) error {
	if c.MinFraction < 0 {
		return nil
	}
	if sealed.LiveErr != nil {
		return &GateError{RuleShrunk, sealed.Documents, 0,
			"the documents of the live index cannot be counted, so it is not known whether the new index is much smaller; " +
				"a negative MinFraction lets it go live all the same" + seeLog}
	}
	least := atLeast(max(0, sealed.Live), c.MinFraction)
	if sealed.Documents >= least {
		return nil
	}
	return &GateError{RuleShrunk, sealed.Documents, least, fmt.Sprintf(
		"the new index holds %d documents and the live one %d, at least %d were needed (MinFraction)", sealed.Documents,
		sealed.Live, least)}
}

// atLeast returns fraction of n, rounded up to whole documents; a product of floats such as 0.99 × 100 is not rounded
// up twice.
func atLeast(n int64, fraction float64) int64 {
	exact := float64(n) * fraction
	least := int64(exact)
	if exact-float64(least) > 1e-6 {
		least++
	}
	return least
}
