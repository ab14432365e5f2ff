package reindex

import "fmt"

// Difference describes how a sealed generation differs from the index that was live at the time. Two bodies are equal
// if they have the same fields at their top level, in any order, with the same JSON texts, as the index keeps them.
//
// Products that were edited (see Engine.Update) between the start of the run and the reading of the live index are left
// out, since the two indexes get these edits at different times. Edited counts these products.
type Difference struct {
	// Added is the number of products that only the generation holds, and Removed the number of those that only the live
	// index holds.
	Added, Removed int64
	// Changed is the number of products whose bodies differ, and Unchanged the number of those whose bodies are equal.
	// Bodies are compared by hashes: about one in two billion changed products counts as unchanged.
	Changed, Unchanged int64
	// Edited is the number of products that were edited meanwhile and are not in the other numbers.
	Edited int64

	// AddedIDs, RemovedIDs and ChangedProducts list some of each, at most Config.ReportItems, sorted by id.
	AddedIDs, RemovedIDs []string
	ChangedProducts      []ChangedProduct
}

// ChangedProduct is a product whose bodies differ.
type ChangedProduct struct {
	// ID is the product's id.
	ID string
	// Fields lists the fields at the top level of the body that were added, removed or changed, sorted, at most 20. It is
	// empty if the product was edited during the comparison.
	Fields []string
}

// live returns the number of products that the live index held, without those that were edited.
func (d *Difference) live() int64 { return d.Removed + d.Changed + d.Unchanged }

// compares reports whether the gate has a rule that needs the difference.
func (c *Config) compares() bool { return c.MaxRemoved > 0 || c.MaxChanged > 0 }

// checkDifference checks the difference against MaxRemoved and MaxChanged.
func (c *Config) checkDifference(d *Difference) error {
	for _, rule := range []struct {
		rule     Rule
		have     int64
		fraction float64
		what     string
	}{{RuleRemoved, d.Removed, c.MaxRemoved, "MaxRemoved"}, {RuleChanged, d.Changed, c.MaxChanged, "MaxChanged"}} {
		most := int64(rule.fraction*float64(d.live()) + roundingError)
		if rule.fraction > 0 && rule.have > most {
			return &GateError{rule.rule, rule.have, most,
				fmt.Sprintf("%d of the %d products that are live would be %s, at most %d may be (%s)",
					rule.have, d.live(), rule.rule, most, rule.what)}
		}
	}
	return nil
}

// roundingError is larger than any rounding error in the product of a fraction and a number of documents.
const roundingError = 1e-6
