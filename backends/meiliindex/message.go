package meiliindex

import (
	"regexp"
	"strings"
)

// publicText returns the text of a server's error that callers of an API may see: the code and the message without uids
// of indexes and without hosts.
func publicText(code, message string) string {
	text := namedIndexes.ReplaceAllString(ofIndex.ReplaceAllString(message, ""), "${1}…")
	switch {
	case strings.HasPrefix(code, "index_"), strings.Contains(code, "swap"), strings.Contains(code, "index_uid"):
		text = quoted.ReplaceAllString(text, "…") // quoted words are most likely uids
	case !strings.Contains(code, "document"):
		// a message that quotes a product may keep its values, since they are the tenant's own
		text = addresses.ReplaceAllString(text, "…")
	}
	text = stagingUIDs.ReplaceAllString(text, "…")
	if code == codeNoSpace {
		text += noSpaceHint(message)
	}
	return code + ": " + text
}

var (
	ofIndex      = regexp.MustCompile("^Index `[^`]*`: ")
	namedIndexes = regexp.MustCompile("(?i)\\b(index(?:es)?:? )`[^`]*`(?:, `[^`]*`)*")
	quoted       = regexp.MustCompile("`[^`]*`|\"[^\"]*\"")
	stagingUIDs  = regexp.MustCompile(`[A-Za-z0-9_-]+-[0-9a-f]{12}-[0-9a-f]{16}-[0-9a-f]{8}-[A-Za-z0-9_-]*`)
	addresses    = regexp.MustCompile("[a-z]+://[^\\s`\"')]+|" +
		"(?:\\d{1,3}\\.){3}\\d{1,3}(?::\\d+)?|\\b[A-Za-z][\\w-]*(?:\\.[\\w-]+)+:\\d{2,5}\\b")
)
