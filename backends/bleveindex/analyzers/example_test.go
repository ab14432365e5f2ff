package analyzers_test

import (
	"fmt"

	"productindex/backends/bleveindex/analyzers"
)

// Whole values are compared folded: case, accents and width do not matter.
func ExampleFold() {
	fmt.Println(analyzers.Fold("Crème brûlée"), analyzers.Fold("ＪＢＬ"))
	fmt.Println(analyzers.For("de"))
	// Output:
	// creme brulee jbl
	// product-language-de
}
