package esindex

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// PublicMessage returns a text that callers of an API may see: the server's type and reason without the names of
// indexes, nodes, accounts and hosts. See [reindex.Public].
func (e *ServerError) PublicMessage() string {
	status := fmt.Sprintf("HTTP status %d (%s)", e.Status, http.StatusText(e.Status))
	if e.Type == "" {
		return "the server, or something in front of it, answered with " + status
	}
	if e.Status == http.StatusUnauthorized {
		return "the server does not accept the credentials"
	}
	switch e.Type {
	case typeBlocked:
		return "the server accepts no writes" + blockedBy(e.Reason)
	case "security_exception":
		return "the server's account lacks a privilege" + privilege(e.Reason)
	case typeNotFound:
		return "the index does not exist: somebody has deleted it"
	case "index_closed_exception":
		return "the index is closed: somebody has closed it"
	case "es_rejected_execution_exception", "rejected_execution_exception", "circuit_breaking_exception":
		return fmt.Sprintf("the server is overloaded (%s)", e.Type)
	case "unavailable_shards_exception", "no_shard_available_action_exception", "search_phase_execution_exception":
		return fmt.Sprintf("not all shards of the index are available (%s)", e.Type)
	case "node_not_connected_exception", "node_disconnected_exception", "remote_transport_exception",
		"master_not_discovered_exception", "process_cluster_event_timeout_exception":
		return fmt.Sprintf("not all nodes of the cluster answer (%s)", e.Type)
	}
	reason := withoutNames(e.Reason)
	if !ofDocument(e.Type) { // a reason that quotes a product may keep its values, since they are the tenant's own
		reason = withoutHosts(reason)
	}
	if strings.Contains(reason, "maximum normal shards open") || strings.Contains(reason, "maximum shards open") {
		return "the cluster has no room for the shards of another index: " + shorten(reason)
	}
	return e.Type + ": " + shorten(reason)
}

// ofDocument reports whether an error of that type is about the content of a product.
func ofDocument(kind string) bool {
	switch kind {
	case "document_parsing_exception", "mapper_parsing_exception", "strict_dynamic_mapping_exception",
		"x_content_parse_exception", "parse_exception", "json_parse_exception":
		return true
	}
	return false
}

var (
	blocks       = regexp.MustCompile(`blocked by: (.*)`)
	deniedAction = regexp.MustCompile(`action \[([a-z:/_*-]+(?:\[[a-z]\])*)\]`)
	granted      = regexp.MustCompile(`granted by the (?:index|cluster) privileges \[[a-z_,]*\]`)
	permission   = regexp.MustCompile(`no permissions for \[([a-z:/_*, -]+(?:\[[a-z]\])*)\]`) // OpenSearch
)

// blockedBy returns the blocks in a reason, without the index that it names.
func blockedBy(reason string) string {
	if found := blocks.FindStringSubmatch(reason); found != nil {
		return ": " + withoutNames(shorten(found[1]))
	}
	return ""
}

// privilege returns the missing privilege in a reason, without the account, the roles and the index that it names.
func privilege(reason string) string {
	for _, pattern := range []*regexp.Regexp{deniedAction, permission} {
		if found := pattern.FindStringSubmatch(reason); found != nil {
			text := " for " + found[1]
			if by := granted.FindString(reason); by != "" {
				text += ", " + by
			}
			return text
		}
	}
	return ""
}

// The patterns of names in the server's reasons: of indexes, aliases and shards, of this package's generations, of
// nodes and of hosts.
var (
	namedThings = regexp.MustCompile(
		`(?i)\b((?:index|indices|alias(?:es)?|data stream|node|user|host)(?: names?)?:? )\[[^\]]*\]`,
	)
	shards      = regexp.MustCompile(`\[[^\[\]]+\]\[\d+\]`)
	generations = regexp.MustCompile(`[a-z0-9][^\s\[\]{}()'",:]*-[0-9]{8}t[0-9]{9}\.[a-z2-7]{13}(?:\.[a-z0-9]+)?`)
	nodes       = regexp.MustCompile(`\{[^{}]*\}(?:\{[^{}]*\})+`)
	addresses   = regexp.MustCompile(
		`[a-z]+://[^\s\]]+|(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?|\b[A-Za-z][\w-]*(?:\.[\w-]+)+:\d{2,5}\b|` +
			`\[[0-9a-fA-F:]*::[0-9a-fA-F:]*\](?::\d+)?`,
	)
)

func withoutNames(reason string) string {
	reason = generations.ReplaceAllString(reason, "…")
	reason = namedThings.ReplaceAllString(reason, "${1}[…]")
	return shards.ReplaceAllString(reason, "[…]")
}

func withoutHosts(reason string) string {
	return addresses.ReplaceAllString(nodes.ReplaceAllString(reason, "{…}"), "…")
}
