#!/usr/bin/env escript
%% -*- erlang -*-
%%! +S 1:1 -noshell

%% The judge of supervisor semantics: runs trees and schedules of crashes on OTP's own supervisor.
%%
%% Argument: a file of terms `{Number, Tree, Steps}`. Prints for each case one line with its
%% number, and for each step (the start is the first, the stop the last) the starts, failed
%% starts and stops in order, followed by who is alive.
%%
%% A tree is `{supervisor, Strategy, Restarts, WithinSeconds, [{worker, Id, Restart} | Tree]}`.
%% A step is `{crash, Id}`, `{finish, Id}` (a normal exit), `{fail, Id, Times}` (its next starts
%% fail) or `{advance, Seconds}`.
%%
%% OTP's supervisor is used as it is but for one call: the monotonic clock it counts restarts by
%% is replaced by a number which `advance` moves, so that windows are tried without waiting.
%% One scheduler thread, so that exit signals arrive in the order they are sent.

-module(otp_oracle).
-mode(compile).
-behaviour(gen_server).
-export([main/1, now_seconds/0, start_worker/1, start_supervisor/1]).
-export([init/1, handle_cast/2, handle_call/3, terminate/2]).

main([File]) ->
    logger:set_primary_config(level, none),
    process_flag(trap_exit, true),
    ets:new(state, [named_table, public]),
    replace_clock(),
    {ok, Cases} = file:consult(File),
    lists:foreach(fun run_case/1, Cases).

%% The supervisor of this OTP with `erlang:monotonic_time/1` replaced, loaded in its place.
replace_clock() ->
    {ok, {_, [{abstract_code, {_, Forms}}]}} =
        beam_lib:chunks(code:which(supervisor), [abstract_code]),
    {Changed, Count} = replace(Forms, 0),
    true = Count > 0,
    {ok, supervisor, Binary} = compile:forms(Changed, []),
    true = code:unstick_mod(supervisor),
    code:purge(supervisor),
    {module, supervisor} = code:load_binary(supervisor, "supervisor", Binary).

replace({call, Line, {remote, _, {atom, _, erlang}, {atom, _, monotonic_time}}, [_]}, Count) ->
    {{call, Line, {remote, Line, {atom, Line, ?MODULE}, {atom, Line, now_seconds}}, []}, Count + 1};
replace(Tuple, Count) when is_tuple(Tuple) ->
    {Parts, After} = replace(tuple_to_list(Tuple), Count),
    {list_to_tuple(Parts), After};
replace([Head | Tail], Count) ->
    {NewHead, Between} = replace(Head, Count),
    {NewTail, After} = replace(Tail, Between),
    {[NewHead | NewTail], After};
replace(Other, Count) -> {Other, Count}.

now_seconds() -> ets:lookup_element(state, now, 2).

run_case({Number, Tree, Steps}) ->
    ets:delete_all_objects(state),
    ets:insert(state, [{now, 1000}, {log, []}]),
    {Before, After} = lists:splitwith(fun(Step) -> element(1, Step) =:= fail end, Steps),
    lists:foreach(fun(Step) -> step(Step) end, Before),
    Root = case start_supervisor(Tree) of
        {ok, Pid} -> Pid;
        {error, _} -> none
    end,
    Ids = workers(Tree),
    First = settled(Root, Ids),
    Rest = [begin step(Step), settled(Root, Ids) end || Step <- After],
    stop(Root),
    Last = settled(none, Ids),
    io:format("~b: ~s~n", [Number, lists:join(" | ", [First] ++ Rest ++ [Last])]).

step({fail, Id, Times}) -> ets:insert(state, {{fail, Id}, Times});
step({advance, Seconds}) -> ets:update_counter(state, now, Seconds);
step({Kind, Id}) ->
    case whereis(name(Id)) of
        undefined -> ok;
        Pid ->
            Monitor = erlang:monitor(process, Pid),
            gen_server:cast(Pid, Kind),
            receive {'DOWN', Monitor, process, Pid, _} -> ok end
    end.

stop(none) -> ok;
stop(Root) ->
    Monitor = erlang:monitor(process, Root),
    exit(Root, shutdown),
    receive {'DOWN', Monitor, process, Root, _} -> ok end.

%% Asks every supervisor until nothing was logged and nothing is restarting for three rounds: a
%% supervisor answers only after what had arrived before.
settled(Root, Ids) -> settled(Root, Ids, 0).

settled(_, Ids, 3) ->
    Log = lists:reverse(ets:lookup_element(state, log, 2)),
    ets:insert(state, {log, []}),
    Alive = [integer_to_list(Id) || Id <- Ids, whereis(name(Id)) =/= undefined],
    lists:join(" ", Log ++ ["alive" | Alive]);
settled(Root, Ids, Rounds) ->
    Before = length(ets:lookup_element(state, log, 2)),
    Busy = is_pid(Root) andalso busy(Root),
    case length(ets:lookup_element(state, log, 2)) of
        Before when not Busy -> settled(Root, Ids, Rounds + 1);
        _ -> settled(Root, Ids, 0)
    end.

busy(Supervisor) ->
    try supervisor:which_children(Supervisor) of
        Children -> lists:any(fun(Child) -> busy_child(Child) end, Children)
    catch exit:_ -> is_process_alive(Supervisor)
    end.

busy_child({_, restarting, _, _}) -> true;
busy_child({_, Pid, supervisor, _}) when is_pid(Pid) -> busy(Pid);
busy_child(_) -> false.

workers({supervisor, _, _, _, Children}) -> lists:sort(lists:flatmap(fun workers/1, Children));
workers({worker, Id, _}) -> [Id].

name(Id) -> list_to_atom("worker_" ++ integer_to_list(Id)).

log(Word, Id) ->
    Entry = Word ++ integer_to_list(Id),
    ets:insert(state, {log, [Entry | ets:lookup_element(state, log, 2)]}).

start_supervisor(Tree) -> supervisor:start_link(?MODULE, Tree).
start_worker(Id) -> gen_server:start_link({local, name(Id)}, ?MODULE, {worker, Id}, []).

init({supervisor, Strategy, Restarts, WithinSeconds, Children}) ->
    Specs = [spec(Index, Child)
             || {Index, Child} <- lists:zip(lists:seq(1, length(Children)), Children)],
    {ok, {#{strategy => Strategy, intensity => Restarts, period => WithinSeconds}, Specs}};
init({worker, Id}) ->
    process_flag(trap_exit, true),
    case ets:lookup(state, {fail, Id}) of
        [{_, Times}] when Times > 0 ->
            ets:insert(state, {{fail, Id}, Times - 1}),
            log("fail", Id),
            {stop, failed};
        _ -> log("start", Id), {ok, Id}
    end.

spec(_, {worker, Id, Restart}) ->
    #{id => {worker, Id}, start => {?MODULE, start_worker, [Id]}, restart => Restart};
spec(Index, Tree) ->
    #{id => {supervisor, Index}, start => {?MODULE, start_supervisor, [Tree]},
      type => supervisor, shutdown => infinity}.

handle_cast(crash, Id) -> {stop, crashed, Id};
handle_cast(finish, Id) -> {stop, normal, Id}.
handle_call(_, _, Id) -> {reply, ok, Id}.

terminate(shutdown, Id) -> log("stop", Id);
terminate(_, _) -> ok.
