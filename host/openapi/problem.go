package openapi

import "net/http"

// Names of the components that every document has.
const (
	ProblemSchema  = "Problem"
	problemContent = "application/problem+json"
)

// Problem is the schema of every error: RFC 9457 with our extensions.
func Problem() map[string]any {
	text := func(description string) map[string]any {
		return map[string]any{"type": "string", "description": description}
	}
	return map[string]any{
		"type":        "object",
		"description": "Problem details (RFC 9457).",
		"required":    []string{"type", "status", "title", "code", "retry"},
		"properties": map[string]any{
			"type":       text("Always about:blank: the code tells what a program needs."),
			"status":     map[string]any{"type": "integer", "minimum": 400, "maximum": 599},
			"title":      text("What the status is called."),
			"detail":     text("What is wrong with this request, and what to do about it."),
			"code":       text("A stable word for programs."),
			"request_id": text("The id of the request, by which the operator finds it."),
			"run_id":     text("The id of the run that the request began."),
			"retry":      map[string]any{"type": "boolean", "description": "Whether the same request may be sent again."},
			"errors": map[string]any{
				"type": "array", "description": "The places at which the body is not as it must be.",
				"items": map[string]any{"type": "object", "required": []string{"pointer", "detail"}, "properties": map[string]any{"pointer": text("A JSON pointer, as a URI fragment."), "detail": text("What is wrong there.")}},
			},
			"retry_after": map[string]any{"type": "integer", "minimum": 0, "description": "Seconds to wait before that."},
		},
	}
}

// ProblemResponse is an answer that is a problem.
func ProblemResponse(status int, description string) Response {
	if description == "" {
		description = http.StatusText(status)
	}
	return Response{Description: description, Content: map[string]Media{problemContent: {Schema: reference("schemas", ProblemSchema)}}}
}
