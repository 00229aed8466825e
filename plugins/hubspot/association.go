package main

import "github.com/trama-run/trama/plugins/internal/rest"

// Pair is two records. It is the input of dissociate.
type Pair struct {
	Object   string `json:"object"`
	ID       id     `json:"id"`
	ToObject string `json:"to_object"`
	ToID     id     `json:"to_id"`
}

// Associate is the input of associate.
type Associate struct {
	Pair
	Labels []Label `json:"labels"`
}

// Associated is the output of associate and dissociate.
type Associated struct {
	Object   string `json:"object"`
	ID       string `json:"id"`
	ToObject string `json:"to_object"`
	ToID     string `json:"to_id"`
}

func (p Pair) done() Associated {
	return Associated{p.Object, string(p.ID), p.ToObject, string(p.ToID)}
}

// associate joins two records; it may be said again.
//
// Source: HubSpot, "Associations v4", "Associate records",
// https://developers.hubspot.com/docs/api-reference/crm-associations-v4/guide
func (h hubspot) associate(in Associate) (Associated, error) {
	call := rest.Call{Method: "PUT"}
	var err error
	if len(in.Labels) == 0 {
		call.Path, err = pathV4("objects", in.Object, string(in.ID), "associations", "default", in.ToObject, string(in.ToID))
	} else {
		call.Path, err = pathV4("objects", in.Object, string(in.ID), "associations", in.ToObject, string(in.ToID))
		labels := make([]any, len(in.Labels))
		for i, label := range in.Labels {
			labels[i] = label.body()
		}
		call.Body = labels
	}
	if err != nil {
		return Associated{}, err
	}
	_, err = h.Do(call)
	return in.done(), err
}

// dissociate takes all associations of two records away; it may be said again.
func (h hubspot) dissociate(in Pair) (Associated, error) {
	address, err := pathV4("objects", in.Object, string(in.ID), "associations", in.ToObject, string(in.ToID))
	if err != nil {
		return Associated{}, err
	}
	_, err = h.Do(rest.Call{Method: "DELETE", Path: address})
	return in.done(), err
}

// ListAssociations is the input of list_associations.
type ListAssociations struct {
	Object   string `json:"object"`
	ID       id     `json:"id"`
	ToObject string `json:"to_object"`
	rest.Bounds
}

// Association is one record that another is associated with.
type Association struct {
	ID     string   `json:"id"`
	Labels []Labels `json:"labels"`
}

// Labels is one type of an association, which may have a name.
type Labels struct {
	Category string  `json:"category"`
	TypeID   int     `json:"type_id"`
	Label    *string `json:"label"`
}

// association is one as HubSpot writes it: the id is a number here.
type association struct {
	ToObjectID id `json:"toObjectId"`
	Types      []struct {
		Category string  `json:"category"`
		TypeID   int     `json:"typeId"`
		Label    *string `json:"label"`
	} `json:"associationTypes"`
}

// Lacks is of [rest.Complete].
func (a association) Lacks() string {
	if a.ToObjectID == "" {
		return "toObjectId"
	}
	return ""
}

func (a association) plain() Association {
	out := Association{ID: string(a.ToObjectID), Labels: []Labels{}}
	for _, one := range a.Types {
		out.Labels = append(out.Labels, Labels(one))
	}
	return out
}

// maxAssociations is how many associations come at a time.
const maxAssociations = 500

func (h hubspot) listAssociations(in ListAssociations) (rest.Page[Association], error) {
	address, err := pathV4("objects", in.Object, string(in.ID), "associations", in.ToObject)
	if err != nil {
		return rest.Page[Association]{}, err
	}
	return listing(h, rest.Call{Path: address}, maxAssociations, in.Bounds, association.plain)
}
