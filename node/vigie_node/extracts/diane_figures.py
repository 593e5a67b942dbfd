"""The figures of a Diane file, in its order: our name, its header without the year, the real system's own name.

Our names are those of the canonical dataset of accounts. Every figure is lenient: Diane writes words such as ``n.d.``
where it has none, and some whole numbers with decimals.
"""

from typing import Final

from vigie_node.extracts.cells import INTEGER, NUMBER
from vigie_node.extracts.kind import Field


def _figure(name: str, header: str, upstream: str) -> Field:
    return Field(name, (header,), NUMBER, upstream=upstream, lenient=True)


def _count(name: str, header: str, upstream: str) -> Field:
    return Field(name, (header,), INTEGER, upstream=upstream, lenient=True)


FIGURES: Final = (
    _count("staff", "Effectif consolidé", "effectif_consolide"),
    _figure("tax_and_social_debts", "Dettes fiscales et sociales kEUR", "dette_fiscale_et_sociale"),
    _figure("research_costs", "Frais de R&D : net kEUR", "frais_de_RetD"),
    _figure("patents", "Conces., brev. et droits sim. : net kEUR", "conces_brev_et_droits_sim"),
    _count("secondary_establishments", "Nombre d’ES", "nombre_etab_secondaire"),
    _count("subsidiaries", "Nombre de filiales", "nombre_filiale"),
    _count("group_size", "Taille de la Composition du Groupe", "taille_compo_groupe"),
    _count("months", "Nombre de mois", "nombre_mois"),
    _figure("short_term_bank_debt", "Conc. banc. cour. & sold. cr. kEUR", "concours_bancaire_courant"),
    _figure("financial_balance", "Equilibre financier", "equilibre_financier"),
    _figure("financial_independence", "Indépendance fin. %", "independance_financiere"),
    _figure("debt_to_resources", "Endettement %", "endettement"),
    _figure("equity_ratio", "Autonomie fin. %", "autonomie_financiere"),
    _figure("tangible_asset_wear", "Degré d'amort. des immob. corp. %", "degre_immo_corporelle"),
    _figure("current_asset_financing", "Financ. de l'actif circ. net", "financement_actif_circulant"),
    _figure("current_ratio", "Liquidité générale", "liquidite_generale"),
    _figure("quick_ratio", "Liquidité réduite", "liquidite_reduite"),
    _figure("stock_days", "Rotation des stocks jours", "rotation_stocks"),
    _figure("customer_credit_days", "Crédit clients jours", "credit_client"),
    _figure("supplier_credit_days", "Crédit fournisseurs jours", "credit_fournisseur"),
    _figure("turnover_per_head", "C. A. par effectif (milliers/pers.) kEUR", "ca_par_effectif"),
    _figure("interest_rate", "Taux d'intérêt financier %", "taux_interet_financier"),
    _figure("financial_cost_rate", "Intérêts / Chiffre d'affaires %", "taux_interet_sur_ca"),
    _figure("global_debt_days", "Endettement global jours", "endettement_global"),
    _figure("debt_to_equity", "Taux d'endettement %", "taux_endettement"),
    _figure("repayment_capacity", "Capacité de remboursement", "capacite_remboursement"),
    _figure("self_financing_rate", "Capacité d'autofin. %", "capacite_autofinancement"),
    _figure("working_capital_days", "Couv. du C.A. par le f.d.r. jours", "couverture_ca_fdr"),
    _figure("working_capital_need_days", "Couv. du C.A. par bes. en fdr jours", "couverture_ca_besoin_fdr"),
    _figure("operating_need_weight", "Poids des BFR d'exploitation %", "poids_bfr_exploitation"),
    _figure("export_share", "Exportation %", "exportation"),
    _figure("value_added_per_head", "Efficacité économique (milliers/pers.) kEUR", "efficacite_economique"),
    _figure("asset_productivity", "Prod. du potentiel de production", "productivite_potentiel_production"),
    _figure("financial_capital_productivity", "Productivité du capital financier", "productivite_capital_financier"),
    _figure("invested_capital_productivity", "Productivité du capital investi", "productivite_capital_investi"),
    _figure("investment_rate", "Taux d'invest. productif %", "taux_d_investissement_productif"),
    _figure("economic_return", "Rentabilité économique %", "rentabilite_economique"),
    _figure("performance", "Performance %", "performance"),
    _figure("gross_return_on_own_funds", "Rend. brut des f. propres nets %", "rendement_brut_fonds_propres"),
    _figure("net_return", "Rentabilité nette %", "rentabilite_nette"),
    _figure("return_on_equity", "Rend. des capitaux propres nets %", "rendement_capitaux_propres"),
    _figure("return_on_resources", "Rend. des res. durables nettes %", "rendement_ressources_durables"),
    _figure("trade_margin_rate", "Taux de marge commerciale %", "taux_marge_commerciale"),
    _figure("value_added_rate", "Taux de valeur ajoutée %", "taux_valeur_ajoutee"),
    _figure("staff_share", "Part des salariés %", "part_salaries"),
    _figure("state_share", "Part de l'Etat %", "part_etat"),
    _figure("lender_share", "Part des prêteurs %", "part_preteur"),
    _figure("self_financing_share", "Part de l'autofin. %", "part_autofinancement"),
    _figure("turnover", "Chiffre d'affaires net (H.T.) kEUR", "ca"),
    _figure("export_turnover", "Dont exportation kEUR", "ca_exportation"),
    _figure("all_purchases", "Achats march. et autres approv. kEUR", ""),
    _figure("goods_purchases", "Achats de march. kEUR", "achat_marchandises"),
    _figure("material_purchases", "Achats de mat. prem. et autres approv. kEUR", "achat_matieres_premieres"),
    _figure("production", "Production de l'ex. kEUR", "production"),
    _figure("trade_margin", "Marge commerciale kEUR", "marge_commerciale"),
    _figure("consumption", "Consommation de l'ex. kEUR", "consommation"),
    _figure("other_purchases", "Autres achats et charges externes kEUR", "autres_achats_charges_externes"),
    _figure("value_added", "Valeur ajoutée kEUR", "valeur_ajoutee"),
    _figure("personnel_costs", "Charges de personnel kEUR", "charge_personnel"),
    _figure("taxes", "Impôts, taxes et vers. assimil. kEUR", "impots_taxes"),
    _figure("operating_subsidies", "Subventions d'expl. kEUR", "subventions_d_exploitation"),
    _figure("ebitda", "Excédent brut d'exploitation kEUR", "excedent_brut_d_exploitation"),
    _figure("other_operating_items", "Autres Prod., char. et Repr. kEUR", "autres_produits_charges_reprises"),
    _figure("depreciation", "Dot. d'exploit. aux amort. et prov. kEUR", "dotation_amortissement"),
    _figure("operating_result", "Résultat d'expl. kEUR", "resultat_expl"),
    _figure("joint_operations", "Opérations en commun kEUR", "operations_commun"),
    _figure("financial_income", "Produits fin. kEUR", "produits_financiers"),
    _figure("financial_costs", "Charges fin. kEUR", "charges_financieres"),
    _figure("interest", "Intérêts et charges assimilées kEUR", "interets"),
    _figure("current_result", "Résultat courant avant impôts kEUR", "resultat_avant_impot"),
    _figure("exceptional_income", "Produits except. kEUR", "produit_exceptionnel"),
    _figure("exceptional_costs", "Charges except. kEUR", "charge_exceptionnelle"),
    _figure("profit_sharing", "Particip. des sal. aux résul. kEUR", "participation_salaries"),
    _figure("profit_tax", "Impôts sur le bénéf. et impôts diff. kEUR", "impot_benefice"),
    _figure("net_result", "Bénéfice ou perte kEUR", "benefice_ou_perte"),
)
