package graph

import "github.com/trama-run/trama/host/flow"

// kind groups the types of nodes by what they do, which colour and shape tell.
type kind int

const (
	kindTrigger kind = iota
	kindChoice
	kindState
	kindCode
	kindMessage
	kindWait
	kindCall
	kindAnswer
	kindPart // of other flows, or many of them
	kindEnd
	kindOther
)

// look is how a kind is drawn.
type look struct {
	class       string
	doc         string    // for those who can't see it
	open, close string    // of a Mermaid node
	light, dark [2]string // fill and stroke by colour scheme
	pad         float64   // room beside the text that the shape needs
}

var looks = [...]look{
	kindTrigger: {"trigger", "trigger", `(["`, `"])`, [2]string{"#dcfce7", "#15803d"}, [2]string{"#0f2e1b", "#4ade80"}, 22},
	kindChoice:  {"choice", "choice", `{{"`, `"}}`, [2]string{"#fef3c7", "#b45309"}, [2]string{"#33260a", "#fbbf24"}, 26},
	kindState:   {"state", "state", `[("`, `")]`, [2]string{"#f1f5f9", "#475569"}, [2]string{"#1c2430", "#94a3b8"}, 18},
	kindCode:    {"code", "script", `[["`, `"]]`, [2]string{"#f3e8ff", "#7e22ce"}, [2]string{"#2a1840", "#c084fc"}, 24},
	kindMessage: {"message", "message", `>"`, `"]`, [2]string{"#dbeafe", "#1d4ed8"}, [2]string{"#13233f", "#60a5fa"}, 18},
	kindWait:    {"wait", "wait", `("`, `")`, [2]string{"#cffafe", "#0e7490"}, [2]string{"#0b2b33", "#22d3ee"}, 26},
	kindCall:    {"call", "call of a plugin", `["`, `"]`, [2]string{"#ccfbf1", "#0f766e"}, [2]string{"#0c2c29", "#2dd4bf"}, 20},
	kindAnswer:  {"answer", "answer", `[/"`, `"/]`, [2]string{"#fce7f3", "#be185d"}, [2]string{"#371627", "#f472b6"}, 28},
	kindPart:    {"part", "part", `[["`, `"]]`, [2]string{"#e0e7ff", "#4338ca"}, [2]string{"#1d1f47", "#818cf8"}, 22},
	kindEnd:     {"end", "end", `(["`, `"])`, [2]string{"#e5e7eb", "#374151"}, [2]string{"#262a31", "#9ca3af"}, 22},
	kindOther:   {"other", "step", `["`, `"]`, [2]string{"#f8fafc", "#64748b"}, [2]string{"#1a1f27", "#94a3b8"}, 18},
}

// kinds is by the built-in types that are not of kindOther.
var kinds = map[string]kind{
	"conditional": kindChoice,
	"set_flow":    kindState, "set_user": kindState, "user_tag": kindState, "set_contact": kindState,
	"run_code":     kindCode,
	"send_message": kindMessage, "send_alert": kindMessage, "emit_event": kindMessage,
	"wait_reply": kindWait, "wait": kindWait, "start_inactivity": kindWait, "end_inactivity": kindWait,
	"response.json": kindAnswer,
	"parallel":      kindPart, "for_each": kindPart, "jump": kindPart,
	"end": kindEnd,
}

func kindOf(n *flow.Node) kind {
	if k, ok := kinds[n.Type]; ok {
		return k
	}
	if plugin, _ := n.Calls(); plugin != "" {
		return kindCall
	}
	return kindOther
}
