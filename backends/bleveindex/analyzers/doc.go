// Package analyzers registers the analyzers for products with bleve, under the names that the mappings of package
// bleveindex use. A program that opens such an index with bleve alone imports this package for its side effect:
//
//	import _ "productindex/backends/bleveindex/analyzers"
//
// [Words] is the analyzer of text in any language. It splits text by Unicode's rules for word boundaries; scripts
// without spaces become overlapping pairs of characters. It removes HTML tags and decodes entities. Words are folded:
// case, accents, width, apostrophes and the encoding of letters do not matter. Light stemming matches singular and
// plural. There are no stop words.
//
// [Keyword] turns a whole value into one folded term. [For] returns the analyzer of a language, which stems words by
// the rules of the language and also folds them.
package analyzers
