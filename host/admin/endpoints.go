package admin

import (
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/calllog"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/run"
)

// endpoint is one thing that the API does. The table of them is both what is
// served and what the OpenAPI document says, so that nothing is in only one.
type endpoint struct {
	// do is the method and the path under /v1: ":name" takes one segment, and
	// "+name" at the end all that is left, slashes included.
	do    string
	title string
	// query are the names of the query's parameters; see parameters.
	query string
	// takes is a zero value of what the body is; nil: there is none.
	takes any
	// gives is a zero value of what the answer is; []byte: a stream of bytes.
	gives any
	// status is that of the answer where all went well; 0: 200.
	status int
	// more says that the answer has the header HeaderMore where there is more.
	more bool
	// role is whose tokens may; empty: that of an admin, and where it only
	// shows something, of everybody. See needs.
	role catalog.Role
	// secret says that the body tells of a secret: nothing keeps a trace of it.
	secret bool
	handle fiber.Handler
}

// needs gives the role that an endpoint needs.
func (e endpoint) needs() catalog.Role {
	method, _ := e.route()
	switch {
	case e.role != "":
		return e.role
	case method == fiber.MethodGet:
		return catalog.RoleViewer
	}
	return catalog.RoleAdmin
}

// route gives the method and the path as Fiber takes them.
func (e endpoint) route() (method, path string) {
	method, path, _ = strings.Cut(e.do, " ")
	if at := strings.IndexByte(path, '+'); at >= 0 {
		path = path[:at+1]
	}
	return method, path
}

// endpoints is all that the API does. Where two paths take the same request,
// the one that comes first does.
func (a api) endpoints() []endpoint {
	changes := []catalog.Change{}
	const operator = catalog.RoleOperator
	table := []endpoint{
		{do: "GET /flows", title: "List the flows", gives: []FlowInfo{}, handle: a.listFlows},
		{do: "POST /flows", title: "Publish flows, all of them or none: documents by file name", takes: map[string]string{}, gives: changes, handle: a.publishFlows},
		{do: "GET /flows/:id", title: "Show a flow", gives: FlowDetail{}, handle: a.showFlow},
		{do: "PUT /flows/:id", title: "Publish a version of a flow", takes: flow.Flow{}, gives: changes, handle: a.putFlow},
		{do: "DELETE /flows/:id", title: "Remove a flow: what began with it ends on its version", gives: changes, handle: a.removeFlow},
		{do: "GET /flows/:id/versions", title: "List a flow's versions, oldest first", gives: []VersionInfo{}, handle: a.listVersions},
		{do: "GET /flows/:id/versions/:version", title: "Show a version of a flow", gives: VersionDetail{}, handle: a.showVersion},
		{do: "GET /flows/:id/diff", title: "Compare two versions of a flow", query: "from to", gives: DiffInfo{}, handle: a.diff},
		{do: "POST /flows/:id/rollback", title: "Make another version of a flow current", takes: RollbackRequest{}, gives: FlowDetail{}, handle: a.rollback},
		{do: "POST /flows/:id/migrate", title: "Move the waiting sessions of a flow to another version", takes: run.Migration{}, gives: []run.Migrated{}, handle: a.migrateFlow},

		{do: "GET /plugins", title: "List the plugins", gives: []plugin.Status{}, handle: a.listPlugins},
		{do: "GET /plugins/:name", title: "Show a plugin", gives: plugin.Status{}, handle: a.showPlugin},
		{do: "GET /grants", title: "List the grants", gives: []GrantInfo{}, handle: a.listGrants},
		{do: "PUT /grants/:plugin", title: "Grant a plugin what it may reach", takes: catalog.Grant{}, gives: changes, handle: a.putGrant},
		{do: "DELETE /grants/:plugin", title: "Revoke the grant of a plugin's content", query: "of", gives: changes, handle: a.removeGrant},

		{do: "GET /runs", title: "List runs, newest first", query: "limit before flow status", gives: []RunInfo{}, handle: a.listRuns},
		{do: "GET /runs/:id", title: "Show a run with its steps", gives: RunDetail{}, handle: a.showRun},
		{do: "POST /runs/:id/retry", role: operator, title: "Bring a failed run back", takes: RetryRequest{}, gives: RunInfo{}, handle: a.retryRun},
		{do: "POST /runs/:id/cancel", role: operator, title: "End a run that waits, sleeps or can't go on", gives: Done{}, handle: a.cancelRun},
		{do: "POST /activations", role: operator, title: "Start a flow for contacts", takes: run.Activation{}, gives: run.Started{}, status: 202, handle: a.activate},
		{do: "POST /events/:name", role: operator, title: "Emit an event, which starts the flows that listen to it", takes: run.Event{}, gives: run.Started{}, status: 202, handle: a.emit},
		{do: "GET /schedules", title: "List the schedules of the published flows", gives: []ScheduleInfo{}, handle: a.listSchedules},

		{do: "GET /contacts", title: "Search the contacts, in the order of their keys", query: "limit after with_human prefix person tag language variable opt_in blocked seen_since seen_until merged_since variables", gives: []ContactInfo{}, more: true, handle: a.listContacts},
		{do: "POST /contacts/merge", role: operator, title: "Make one contact of two, for good", takes: MergeRequest{}, gives: run.Merged{}, handle: a.mergeContacts},
		{do: "POST /contacts/import", role: operator, title: "Make and change contacts: each as its row says, or not at all", takes: ImportRequest{}, gives: []Imported{}, handle: a.importContacts},
		{do: "GET /contacts/+key", title: "Show a contact, its variables and where its session stands", gives: ContactDetail{}, handle: a.showContact},
		{do: "PATCH /contacts/+key", role: operator, title: "Change what is known of a contact, and make it if need be", takes: run.ContactEdit{}, gives: ContactDetail{}, handle: a.editContact},
		{do: "DELETE /contacts/+key", role: operator, title: "Erase a contact, and say what is removed and what remains", query: "dry_run", gives: run.Erased{}, handle: a.eraseContact},
		{do: "PUT /contacts/+key", role: operator, title: "Say whether a person attends to a contact", takes: Attending{}, gives: Attending{}, status: 202, handle: a.putContact},

		{do: "GET /dead-letters", title: "List dead letters, newest first", query: "limit before queue channel code since until", gives: []deadletter.Letter{}, handle: a.listDead},
		{do: "POST /dead-letters/replay", role: operator, title: "Put dead letters back to their queues", takes: DeadFilter{}, gives: Replayed{}, handle: a.replayAll},
		{do: "GET /dead-letters/:id", title: "Show a dead letter with its content", gives: DeadLetter{}, handle: a.showDead},
		{do: "POST /dead-letters/:id/replay", role: operator, title: "Put a dead letter back to its queue", gives: Done{}, handle: a.replay},
		{do: "DELETE /dead-letters/:id", role: operator, title: "Give a dead letter up", gives: Done{}, handle: a.giveUp},

		{do: "GET /outbox", title: "List what was not sent yet", query: "limit queue", gives: []outbox.Waiting{}, handle: a.listOutbox},
		{do: "GET /outbox/endpoints", title: "List how the places are that messages go to", gives: []outbox.Endpoint{}, handle: a.listEndpoints},
		{do: "POST /outbox/cancel", role: operator, title: "Cancel what was not sent yet", takes: CancelRequest{}, gives: Cancelled{}, handle: a.cancel},

		{do: "GET /sessions", title: "List the sessions: what waits, sleeps or is to go on", query: "limit after flow", gives: []run.SessionInfo{}, handle: a.listSessions},
		{do: "GET /deliveries", title: "List what became of messages and alerts, by effect id", query: "limit after run status since until", gives: []DeliveryInfo{}, handle: a.listDeliveries},
		{do: "GET /deliveries/:id", title: "Show what became of a message or alert", gives: DeliveryInfo{}, handle: a.showDelivery},

		{do: "GET /calls", title: "List calls in and out, the last that ended first, without what they said", query: "limit before kind direction name route method endpoint status run contact client request effect since until", gives: []calllog.Call{}, handle: a.listCalls},
		{do: "GET /calls/:id", title: "Show a call with what was asked and answered", gives: calllog.Call{}, handle: a.showCall},

		{do: "GET /secrets", title: "List the secrets, without their values", gives: []SecretInfo{}, handle: a.listSecrets},
		{do: "PUT /secrets/:name", title: "Set a secret: no one can read it again", takes: SecretValue{}, gives: Done{}, secret: true, handle: a.putSecret},
		{do: "DELETE /secrets/:name", title: "Remove a secret", gives: Done{}, handle: a.removeSecret},
		{do: "GET /variables", title: "List what flows see as env", gives: []ObjectInfo{}, handle: a.listVariables},
		{do: "GET /variables/:name", title: "Show a variable", gives: ObjectInfo{}, handle: a.showVariable},
		{do: "PUT /variables/:name", title: "Set a variable", takes: VariableValue{}, gives: changes, handle: a.putVariable},
		{do: "DELETE /variables/:name", title: "Remove a variable", gives: changes, handle: a.removeVariable},
		{do: "GET /tokens", title: "List the tokens of this API, without their values", gives: []TokenInfo{}, handle: a.listTokens},
		{do: "POST /tokens", title: "Make a token: its value is shown this once", takes: TokenRequest{}, gives: NewToken{}, status: 201, handle: a.createToken},
		{do: "DELETE /tokens/:id", title: "Take a token back", gives: changes, handle: a.removeToken},
		{do: "GET /audit", title: "List what was done through this API, newest first", query: "limit before token object status since until", gives: []AuditEntry{}, handle: a.listAudit},
		{do: "GET /whoami", title: "Show whose token this is", gives: Caller{}, handle: a.whoami},

		{do: "GET /doctor", title: "List all that is held, refused, broken, pending or missing", gives: []Finding{}, handle: a.doctor},
		{do: "GET /backup", role: catalog.RoleAdmin, title: "Stream a backup", gives: []byte(nil), handle: a.backup},
		{do: "GET /openapi.json", title: "Describe this API", gives: map[string]any{}, handle: a.openAPI},
		{do: "POST /apply", title: "Apply the files of a workspace: contents by path", takes: map[string]string{}, gives: changes, handle: a.apply},
		{do: "POST /plan", role: catalog.RoleViewer, title: "Say what applying the files of a workspace would change", takes: map[string]string{}, gives: changes, handle: a.plan},
	}
	table = slices.Concat(table, a.subscriptions(), a.channels())
	table = append(table, a.clients()...)
	for _, k := range catalog.Kinds() {
		if !k.Apart {
			table = slices.Concat(table, a.objects(k))
		}
	}
	return table
}

// parameters says what each parameter of a query is: a name means the same
// wherever it stands.
func parameters() map[string]string {
	return map[string]string{
		"after":        "The last one of the page before: its key or id",
		"before":       "The last one of the page before: its id",
		"channel":      "Only those of this channel",
		"client":       "Only those of the client with this name",
		"code":         "Only those with this code of a reason",
		"contact":      "Only those for the contact with this key",
		"direction":    "in or out",
		"effect":       "Only those of the effect with this id",
		"endpoint":     "Only those to this host, or to this path or URL and what is below it",
		"flow":         "Only those of this flow",
		"from":         "The version to compare with; by default the one before",
		"kind":         "Only those of this kind: gateway, webhook, connector, alert, subscription or host",
		"limit":        "How many at most",
		"method":       "Only those of this method",
		"name":         "Only those of this route, channel, plugin.function, alert or subscription",
		"object":       "Only what changed an object whose name, as type/name, begins so",
		"of":           "The content that the grant is of: sha256:<hex> or bundled",
		"queue":        "Only queues whose names begin so",
		"request":      "Only the one with this request id",
		"route":        "Only those of this route, such as POST /orders/:id",
		"run":          "Only those of this run",
		"since":        "Only what happened at this time or later (RFC 3339)",
		"status":       "Only those of this status",
		"token":        "Only what the token of this id was used for",
		"to":           "The version that is compared; by default the current one",
		"until":        "Only what happened before this time (RFC 3339)",
		"blocked":      "true: only contacts that are blocked",
		"dry_run":      "true: only say what would be done",
		"language":     "Only contacts of this language, such as pt or pt-BR",
		"merged_since": "Only contacts into which another was merged at this time or later (RFC 3339)",
		"opt_in":       "Only contacts with an address of which this is known: in, out or unknown",
		"person":       "Only contacts whose name has this in it, in whatever case",
		"prefix":       "Only contacts with an address whose key begins so, such as wa/whatsapp:55",
		"seen_since":   "Only contacts that wrote at this time or later (RFC 3339)",
		"seen_until":   "Only contacts that wrote last before this time (RFC 3339), or never",
		"tag":          "Only contacts with this tag",
		"variable":     "Only contacts with this variable: name=value, of a text, number or boolean",
		"variables":    "true: with their variables",
		"with_human":   "true: only contacts that a person attends to",
	}
}
