// The invocations that reduce at the lowest cost: a subgroup, or a workgroup on devices without subgroups.
struct Team {
    // The invocation's index in its team, and the team's size.
    member: u32,
    members: u32,
    // The team's index in its workgroup, and the number of teams per workgroup.
    team: u32,
    teams: u32,
}
