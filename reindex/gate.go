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
	// RuleEmpty: something was indexed, or Config.AllowEmpty is set and the source is empty.
	RuleEmpty Rule = "empty"
	// RuleCount: the source yielded what it announced, but for Config.CountMargin.
	RuleCount Rule = "count"
	// RuleShrunk: the generation holds at least Config.MinFraction of what is live.
	RuleShrunk Rule = "shrunk"
)

// GateError tells why a generation that was built did not go live.
type GateError struct {
	// Rule that the generation broke.
	Rule Rule
	// Have is the number that the rule looked at, Want the one it has to reach (or, for RuleRejected, must not exceed).
	Have, Want int64
	// Detail tells in words what was compared and what can be done.
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
	if err := c.checkRejected(r.Rejected); err != nil {
		return err
	}
	if err := c.checkCount(r); err != nil {
		return err
	}
	if sealed.Documents == 0 {
		return c.checkEmpty(r)
	}
	return c.checkShrunk(sealed)
}

func checkAccounting(r *Report, sealed Sealed) error {
	if sum := r.Indexed + r.Rejected + r.Duplicates; sum != r.Read {
		return &GateError{RuleAccounting, sum, r.Read, fmt.Sprintf(
			"%d products were read, but %d were indexed, %d rejected and %d duplicates", r.Read, r.Indexed, r.Rejected, r.Duplicates)}
	}
	if sealed.Documents != r.Indexed {
		return &GateError{RuleAccounting, sealed.Documents, r.Indexed, fmt.Sprintf(
			"the index accepted %d products, but holds %d", r.Indexed, sealed.Documents)}
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

func (c *Config) checkCount(r *Report) error {
	if c.CountMargin < 0 || r.Expected < 0 {
		return nil
	}
	least := atLeast(r.Expected, 1-c.CountMargin)
	if r.Read >= least {
		return nil
	}
	return &GateError{RuleCount, r.Read, least, fmt.Sprintf(
		"the source announced %d products and yielded %d, at least %d were needed (CountMargin)", r.Expected, r.Read, least)}
}

func (c *Config) checkEmpty(r *Report) error {
	if c.AllowEmpty && r.Read == 0 {
		return nil
	}
	return &GateError{RuleEmpty, 0, 1, fmt.Sprintf(
		"%d products were read and none was indexed; AllowEmpty lets the index of an empty source go live", r.Read)}
}

func (c *Config) checkShrunk(sealed Sealed) error {
	if c.MinFraction < 0 || sealed.Live < 0 {
		return nil
	}
	least := atLeast(sealed.Live, c.MinFraction)
	if sealed.Documents >= least {
		return nil
	}
	return &GateError{RuleShrunk, sealed.Documents, least, fmt.Sprintf(
		"the new index holds %d documents and the live one %d, at least %d were needed (MinFraction)", sealed.Documents, sealed.Live, least)}
}

// atLeast returns fraction of n, rounded up to whole documents; a product of floats such as 0.99 × 100 is not rounded up twice.
func atLeast(n int64, fraction float64) int64 {
	exact := float64(n) * fraction
	least := int64(exact)
	if exact-float64(least) > 1e-6 {
		least++
	}
	return least
}
