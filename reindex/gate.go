package reindex

import "fmt"

// Rule is one of the rules by which the engine decides whether a generation may go live.
type Rule string

// The rules of the gate.
const (
	// RuleAccounting requires that read = indexed + rejected + duplicates, and that the generation holds exactly the
	// indexed products.
	RuleAccounting Rule = "accounting"
	// RuleRejected requires that at most Config.MaxRejected products were rejected.
	RuleRejected Rule = "rejected"
	// RuleDuplicates requires that at most Config.MaxDuplicates products had the id of an earlier product and another
	// body.
	RuleDuplicates Rule = "duplicates"
	// RuleCurrent requires that the generation holds every change that was accepted during the run; see [Editor] and
	// Config.ChangeBytes.
	RuleCurrent Rule = "current"
	// RuleEmpty requires that a product was indexed, or that Config.AllowEmpty is set and the source is empty.
	RuleEmpty Rule = "empty"
	// RuleCount requires that the source yielded as many different products as it announced; Config.CountMargin of them
	// may be missing.
	RuleCount Rule = "count"
	// RuleShrunk requires that the number of products in the generation is at least Config.MinFraction of the number that
	// is live.
	RuleShrunk Rule = "shrunk"
	// RuleRemoved requires that the generation lacks at most Config.MaxRemoved of the live products.
	RuleRemoved Rule = "removed"
	// RuleChanged requires that at most Config.MaxChanged of the live products differ in the generation.
	RuleChanged Rule = "changed"
)

// GateError reports that a complete generation did not go live because it broke a rule.
type GateError struct {
	// Rule is the rule that was broken.
	Rule Rule
	// Have is the number that the rule is about, and Want its limit: a maximum for RuleRejected, RuleDuplicates,
	// RuleRemoved and RuleChanged, and a minimum for the others.
	Have, Want int64
	// Detail states the numbers that were compared, and the remedy.
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
			"%s read, but %d were indexed, %d were rejected and %d were duplicates", were(r.Read, "product"), r.Indexed,
			r.Rejected, r.Duplicates)}
	}
	if want := r.Indexed + r.Added - r.Removed; sealed.Documents != want {
		text := fmt.Sprintf("the index accepted %s, but holds %d", counted(r.Indexed, "product"), sealed.Documents)
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
		"%s rejected, at most %d may be (MaxRejected); the report names them", were(rejected, "product"), c.MaxRejected)}
}

func (c *Config) checkRejections(r *Report, _ Sealed) error { return c.checkRejected(r.Rejected) }

func (c *Config) checkDuplicates(r *Report, _ Sealed) error {
	if c.MaxDuplicates < 0 || r.Conflicts <= c.MaxDuplicates {
		return nil
	}
	return &GateError{RuleDuplicates, r.Conflicts, c.MaxDuplicates, fmt.Sprintf(
		"%s had the id of an earlier one but another body, at most %d may (MaxDuplicates); the report names some",
		counted(r.Conflicts, "product"), c.MaxDuplicates)}
}

func (c *Config) checkCount(r *Report, _ Sealed) error {
	if c.CountMargin < 0 || r.Expected < 0 {
		return nil
	}
	// A product that came twice with the same body may have been read instead of another product.
	least, different := atLeast(r.Expected, 1-c.CountMargin), r.Read-(r.Duplicates-r.Conflicts)
	if different >= least {
		return nil
	}
	return &GateError{RuleCount, different, least, fmt.Sprintf(
		"the source announced %s and yielded %s, at least %d were needed (CountMargin)",
		counted(r.Expected, "product"), counted(different, "different product"), least)}
}

func (c *Config) checkEmpty(r *Report, sealed Sealed) error {
	if sealed.Documents > 0 || c.AllowEmpty && r.Read == 0 {
		return nil
	}
	return &GateError{RuleEmpty, 0, 1,
		were(r.Read, "product") + " read and none was indexed; AllowEmpty lets the index of an empty source go live"}
}

func (c *Config) checkShrunk(_ *Report, sealed Sealed) error {
	if c.MinFraction < 0 {
		return nil
	}
	if sealed.LiveErr != nil {
		return &GateError{RuleShrunk, sealed.Documents, 0,
			"the documents of the live index cannot be counted, so the new index may be much smaller; " +
				"a negative MinFraction lets it go live anyway" + seeLog}
	}
	least := atLeast(max(0, sealed.Live), c.MinFraction)
	if sealed.Documents >= least {
		return nil
	}
	return &GateError{RuleShrunk, sealed.Documents, least, fmt.Sprintf(
		"the new index holds %s and the live one %d, at least %d were needed (MinFraction)",
		counted(sealed.Documents, "document"), sealed.Live, least)}
}

// atLeast returns fraction × n, rounded up to whole documents. A rounding error of the product, as in 0.99 × 100, does
// not add a document.
func atLeast(n int64, fraction float64) int64 {
	exact := float64(n) * fraction
	least := int64(exact)
	if exact-float64(least) > 1e-6 {
		least++
	}
	return least
}
