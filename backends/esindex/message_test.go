package esindex

import (
	"errors"
	"net"
	"net/http"
	"testing"

	"productindex/reindex/reindextest"
)

const secretIndex = "shop-acme-20250102t030405678.abcdefghijklm"

// secrets are parts of names that no public message may have.
var secrets = []string{"shop-acme", "abcdefghijklm", "hunter2", "internal", "fe80", "[n1]"}

// publicMessages are errors of the server, with the beginnings of their public messages.
var publicMessages = []struct {
	status             int
	kind, reason, want string
}{
	{400, "document_parsing_exception", "[1:12] failed to parse field [price] of type [long] in document with id " +
		"'p1'. Preview of field's value: '10.0.0.7:9300'",
		"document_parsing_exception: [1:12] failed to parse field [price] of type [long] in document with id 'p1'. " +
			"Preview of field's value: '10.0.0.7:9300'"},
	{
		400, "illegal_argument_exception", "Limit of total fields [1000] has been exceeded while adding new fields [1]",
		"illegal_argument_exception: Limit of total fields [1000] has been exceeded",
	},
	{400, "illegal_argument_exception",
		"index [" + secretIndex + "] refuses, see [" + secretIndex + "][0] on node [n1]{Xy1}{es01.internal}{10.0.0.7:9300}",
		"illegal_argument_exception: index […] refuses, see […] on node […]{…}"},
	{
		400, "illegal_argument_exception", "no write index is defined for alias [shop-acme]",
		"illegal_argument_exception: no write index is defined for alias […]",
	},
	{400, "invalid_alias_name_exception",
		"Invalid alias name [shop-acme]: an index or data stream exists with the same name as the alias",
		"invalid_alias_name_exception: Invalid alias name […]: an index or data stream"},
	{
		404, "aliases_not_found_exception", "aliases [shop-acme] missing",
		"aliases_not_found_exception: aliases […] missing",
	},
	{404, "index_not_found_exception", "no such index [" + secretIndex + "]", "the index does not exist"},
	{400, "validation_exception", "Validation Failed: 1: this action would add [2] shards, but this cluster " +
		"currently has [1000]/[1000] maximum normal shards open;",
		"the cluster has no room for the shards of another index: Validation Failed: 1: this action would add [2] shards"},
	{429, "cluster_block_exception", "index [" + secretIndex + "] blocked by: [TOO_MANY_REQUESTS/12/disk usage " +
		"exceeded flood-stage watermark, index has read-only-allow-delete block];",
		"the server accepts no writes: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has " +
			"read-only-allow-delete block]"},
	{403, "security_exception", "action [indices:admin/create] is unauthorized for user [hunter2] with effective " +
		"roles [r] on indices [" + secretIndex +
		"], this action is granted by the index privileges [create_index,manage,all]",
		"the server's account lacks a privilege for indices:admin/create, granted by the index privileges " +
			"[create_index,manage,all]"},
	{403, "security_exception",
		"no permissions for [indices:data/write/bulk[s]] and User [name=hunter2, backend_roles=[], requestedTenant=null]",
		"the server's account lacks a privilege for indices:data/write/bulk[s]"},
	{
		401, "security_exception", "unable to authenticate user [hunter2] for REST request [/_bulk]",
		"the server does not accept the credentials",
	},
	{503, "unavailable_shards_exception", "[" + secretIndex +
		"][0] primary shard is not active Timeout: [1m], request: [BulkShardRequest [[" + secretIndex + "][0]]]",
		"not all shards of the index are available"},
	{
		429, "es_rejected_execution_exception",
		"rejected execution on EsThreadPoolExecutor[name = hunter2/write, queue capacity = 1]",
		"the server is overloaded",
	},
	{
		500, "node_not_connected_exception", "[hunter2][10.0.0.7:9300] Node not connected",
		"not all nodes of the cluster answer",
	},
	{
		500, "exception", "connect to https://es01.internal:9200/x or es02.internal:9300 or [fe80::1]:9200 failed",
		"exception: connect to … or … or … failed",
	},
	{502, "", "", "the server, or something in front of it, answered with HTTP status 502 (Bad Gateway)"},
}

// A public message has the reason of the server's answer, without the names of indexes, nodes, accounts and hosts.
func TestPublicMessages(t *testing.T) {
	for _, test := range publicMessages {
		err := classify(t.Context(), "writing to index "+secretIndex,
			&ServerError{Status: test.status, Type: test.kind, Reason: test.reason})
		reindextest.AssertPublic(t, err, test.want, secrets...)
	}
}

// The public message of a failed call has neither the text of a connection error nor the name of the index.
func TestPublicMessagesOfCalls(t *testing.T) {
	for err, want := range map[error]string{
		classify(t.Context(), "looking at "+secretIndex,
			&net.OpError{Op: "dial", Err: errors.New("es01.internal: connection refused")}): "the server cannot be reached",
		classifyWrite(t.Context(), secretIndex,
			&ServerError{Status: http.StatusRequestEntityTooLarge}): "the product is too large for the index (HTTP status 413)",
		classifyWrite(t.Context(), secretIndex,
			&ServerError{Status: 400, Type: "parse_exception", Reason: "line 3"}): "parse_exception: line 3",
		classify(t.Context(), secretIndex, decodeAnswer([]byte("<html>"), nil)):   "the answer is not JSON",
		classify(t.Context(), secretIndex, decodeAnswer([]byte(`{"took":`), nil)): "the server's answer was cut off",
	} {
		reindextest.AssertPublic(t, err, want, secrets...)
	}
}

// The public messages of the package itself have no names of indexes.
func TestPublicMessageOfAlias(t *testing.T) {
	g := &generation{name: secretIndex, names: names{live: "shop-acme"}}
	reindextest.AssertPublic(t, g.unchanged(target{indexes: map[string]entry{"shop-acme": {}}}),
		"another run or someone else has moved the tenant's alias", secrets...)
	reindextest.AssertPublic(t, unacknowledged("creating index "+secretIndex),
		"the nodes of the cluster did not acknowledge a change in time", secrets...)
	if !isTemporary(unacknowledged("x")) {
		t.Error("the error of an unacknowledged change is not temporary")
	}
}
