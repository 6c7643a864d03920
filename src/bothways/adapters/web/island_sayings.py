"""What the island controller and its paper plan say in English, in the viewer's language.

The sentences are made where the decision is made; here they are recognised by their shape and said again.
"""

from __future__ import annotations

from bothways.adapters.web.figures import said_number
from bothways.adapters.web.sayings import said
from bothways.adapters.web.words import Words, later
from bothways.resilience.island.paper import paper_plan
from bothways.resilience.island.site import IslandSite

PAPER_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
"""What the sheet may load: its own styles, and nothing else."""

_SENTENCES = (
    later("The grid is lost. The building is being separated from the street."),
    later("The grid is lost. This site has no permission to island: nothing is energised."),
    later("Wait for the grid, or use equipment that is not connected to the building."),
    later("The meter of the grid does not answer; nothing is fed until it does."),
    later("Look at the meter. If the building is dark, report the loss of the grid."),
    later("The grid is good, the main contactor is open, and this controller did not open it."),
    later("If nobody works on the installation, ask to return to the grid."),
    later("The grid is back before the building was separated."),
    later("Section {name} is still on and is less important than others: the black start waits."),
    later("The building is separated from the street and ready to be fed from its own sources."),
    later("Confirm to start."),
    later("The building is an island, held by {name}."),
    later("Voltage appeared on the street just as the building was started. The start is taken back."),
    later("If the street goes dark again, the main switch does not separate: do not start by hand. "
          "Call an electrician."),
    later("The main contactor no longer says that it is open; the sources are stopped if it does not "
          "at once."),
    later("Check the main switch and its feedback contact."),
    later("The grid is good again. The building returns to it."),
    later("{name} holds the island but does not answer. Nothing is switched until it does."),
    later("Look at its network. It stops by itself at the reserve that it was told."),
    later("{name} can no longer hold the island. Another source is started."),
    later("{name} stopped holding the island. The building is started again."),
    later("It may have been too much: at most {cap} of {all} sections are switched on."),
    later("Confirm to lift this."),
    later("The building is on the grid again. Sections follow one by one."),
    later("The grid failed again during the return."),
    later("The controller waits."),
    later("Confirm to go on."),
    later("The main contactor is not confirmed open: nothing can be energised."),
    later("Switch it off and lock it by hand, check the feedback, then confirm."),
    later("The main contactor does not close onto the grid."),
    later("The building goes on as an island where it can. Ask to return to the grid to try again."),
    later("No source can start the building: none is available, able, or above its reserve."),
    later("Connect a vehicle with energy to a charger that can form a grid, or start a generator."),
    later("The island collapsed several times."),
    later("Look for an overload or a short circuit, take the section out of service, then confirm."),
    later("The street became live when the building was started."),
    later("Do not energise anything. Have the main switch checked, then confirm."),
    later("Emergency stop or fire alarm: all transfer of energy has been ended."),
    later("When the danger is over and the button is released, reset."),
    later("The emergency stop was reset."),
    later("A drill begins. Devices answer but do not act."),
    later("A drill cannot begin: {why}."),
    later("The drill has ended: {why}."),
    later("The drill is over."),
    later("A person operates the installation; the interlock stays in force."),
    later("The controller operates the installation again."),
    later("What the building can offer to a restart of the grid is told."),
    later("Only an island can offer help to a restart of the grid."),
    later("Take over first."),
    later("Section {name} switched itself off."),
    later("Look for the cause (overload, short circuit). Then confirm to switch it on again, or take "
          "it out of service so that less important sections can be switched on."),
    later("The most important sections ask for more than the sources can give."),
    later("Switch off single devices by hand, or connect another vehicle."),
    later("Section {name} is switched off: the sources cannot carry it."),
    later("Section {name} is switched off: the energy must last for what is more important."),
    later("Section {name} stays off: {held}."),
    later("Connect another vehicle or start another source, or switch off devices in it."),
    later("Section {name} lasts {hours} h, {less} h less than its target."),
    later("Connect another vehicle or bring fuel; switch off what is not needed."),
    later("{name} was told {asked} kW and gives {got} kW."),
    later("Look at the charger and the vehicle; another vehicle may be needed."),
    later("{name} does not answer; it is not counted on."),
    later("Look at the device and its network."),
    later("{name} did not confirm '{what}' after {n} attempts."),
    later("{task} Or take it out of service to go on without it."),
    later("{task} Then confirm."),
    later("Check that every charger, battery and generator has stopped, then switch ON the main "
          "switch{where}."),
    later("Switch OFF the main switch{where}, lock it, and check that its indicator shows OFF."),
    later("Check that every charger, battery and generator has stopped, then switch ON the main switch."),
    later("Switch OFF the main switch, lock it, and check that its indicator shows OFF."),
    later("Switch ON section {name}."),
    later("Switch OFF section {name}."),
    later("Check that the main switch is OFF and locked, then start {name} in island mode."),
    later("Let {name} feed the building."),
    later("Press the emergency stop of {name} or switch off its isolator."),
    later("Stop {name}."),
    later("first: {task}"),
    later("Go on feeding the building until {kwh} kWh are left, then stop."),
    later("Go on feeding the building for at most {hours} h, so that {kwh} kWh are left, then stop."),
    later("Give nothing; charge with at most {kw} kW."),
    later("Stop: neither give nor charge."),
    later("The grid must have been good for {minutes} minutes."),
)  # fmt: skip
_WORDS = (
    later("grid-connected"),
    later("islanding"),
    later("black start"),
    later("island"),
    later("resynchronise"),
    later("fault"),
    later("locked out"),
    later("Paper plan for an outage"),
    later("Keep this sheet at the main switch. It holds when no screen, network or server works."),
    later("Never start a source before the main switch is OFF, locked and checked. A fed street can kill."),
    later("Life safety (emergency lighting, alarms) has its own supply and is not on this sheet."),
    later("Write the time beside each step. One person reads, another one switches."),
    later("No vehicle gives without its driver. Ask how far the driver must still get, and stop well "
          "above it."),
    later("When the grid has failed"),
    later("When the grid is back"),
    later("Sections, in the order of switching on"),
    later("Sources, in the order of trying"),
    later("People to call"),
    later("Responsible for the site"),
    later("Electrician"),
    later("Grid operator"),
    later("Fire brigade and ambulance"),
    later("tier"),
    later("section"),
    later("serves"),
    later("where"),
    later("load"),
    later("shall last"),
    later("source"),
    later("kind"),
    later("power"),
    later("can start the building"),
    later("how"),
    later("yes"),
    later("no"),
    later("time"),
    later("battery"),
    later("charger with vehicle"),
    later("generator"),
    later("the driver keeps everything"),
    later("its energy is not known"),
    later("it is not able to give here now"),
    later("the building is not on the grid"),
    later("the grid is not good"),
    later("a person has taken over"),
)  # fmt: skip


def island_said(text: str, words: Words) -> str:
    """A sentence of the controller in the viewer's language; one that is not recognised is shown as it came.

    >>> island_said("Switch OFF section T1 (panel A, switch 1).", Words("nl"))
    'Schakel groep T1 (panel A, switch 1) UIT.'
    """
    if words.language == "en":
        return text
    if text in _WORDS:
        return words(text)
    for end in (" Then confirm.", " Or take it out of service to go on without it."):
        if text.endswith(end) and text != end.strip():
            return words(f"{{task}}{end}", task=island_said(text.removesuffix(end), words))
    if text.startswith("first: "):
        return words("first: {task}", task=island_said(text.removeprefix("first: "), words))
    return said(text, _SENTENCES, words) or text


def sheet(building: IslandSite, contact: str, words: Words) -> str:
    """The paper plan of a building in the reader's language, as a page without scripts.

    Args:
        building: as it is configured.
        contact: who is responsible for it.
        words: of the reader.
    """
    return paper_plan(
        building, lambda text: island_said(text, words), language=words.language, contact=contact,
        figure=lambda text: said_number(text, words),
    )  # fmt: skip
